-- What one process asks another, such as for what went over a session that it holds. A row lives
-- for the seconds that the question takes; what a crash of the database loses is asked again.
CREATE UNLOGGED TABLE questions (
    id uuid NOT NULL,
    node_id integer NOT NULL,  -- who is to answer
    asked jsonb NOT NULL,
    answer jsonb,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id, node_id)
);
CREATE INDEX questions_open ON questions (node_id) WHERE answer IS NULL;
