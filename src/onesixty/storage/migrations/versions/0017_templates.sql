-- Templates that a provider, such as Meta, approves beforehand: as it told last.
CREATE TABLE channel_templates (
    carrier_id integer NOT NULL REFERENCES carriers,
    name text NOT NULL,
    language text NOT NULL,
    status text NOT NULL,                           -- APPROVED, PENDING, REJECTED, PAUSED, DISABLED, ...
    category text NOT NULL,
    reason text NOT NULL,
    components jsonb NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (carrier_id, name, language)
);
CREATE TABLE channel_template_syncs (
    carrier_id integer PRIMARY KEY REFERENCES carriers,
    tried_at timestamptz NOT NULL,
    synced_at timestamptz,                          -- NULL: never
    error text                                      -- of the last try; NULL: it went well
);
CREATE TRIGGER channel_templates_changed AFTER INSERT OR UPDATE OR DELETE ON channel_templates FOR EACH STATEMENT EXECUTE FUNCTION bump_records_revision();

-- When a person wrote to a business last: inside of 24 hours chat channels take any answer.
CREATE TABLE contact_windows (
    carrier_id integer NOT NULL REFERENCES carriers,
    contact text NOT NULL,
    wrote_at timestamptz NOT NULL,
    PRIMARY KEY (carrier_id, contact)
) WITH (fillfactor = 80);
