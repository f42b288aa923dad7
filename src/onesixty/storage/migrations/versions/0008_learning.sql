-- What the receipts of a carrier have taught: the form of its ids, its dates, words and codes.
CREATE TABLE carrier_learning (
    carrier_id integer PRIMARY KEY REFERENCES carriers,
    learned jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
