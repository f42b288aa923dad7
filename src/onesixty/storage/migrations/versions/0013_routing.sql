-- Routes over groups of carriers, why a carrier was chosen, and what routes looked like before.
ALTER TABLE routes ADD COLUMN groups jsonb;   -- [{"strategy", "carriers": [{"carrier_id", "weight"}],
                                              --   "quality_floor", "explore_percent"}], in their order
UPDATE routes SET groups = jsonb_build_array(jsonb_build_object('strategy', strategy, 'carriers', carriers));
ALTER TABLE routes ALTER COLUMN groups SET NOT NULL, DROP COLUMN strategy, DROP COLUMN carriers;

-- Few rows for many messages: what is alike is one row. `messages.explanation` refers to it.
CREATE TABLE explanations (
    id bigint PRIMARY KEY,                    -- 63 bits of a hash of the content
    content jsonb NOT NULL,                   -- records/routes/explanation.py
    created_at timestamptz NOT NULL DEFAULT now()
);

-- All routes of an account after each change, by the names of their carriers.
CREATE TABLE route_revisions (
    account_id integer NOT NULL REFERENCES accounts,
    number integer NOT NULL,                  -- from 1, for each account
    author text NOT NULL,                     -- the id of an API key, or "cli"
    note text NOT NULL,
    document jsonb NOT NULL,                  -- records/routes/document.py
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, number)
);
