-- Puts a job that a process of the release before queues into the new queue. The next release drops
-- it, with the tables of pgqueuer.
CREATE FUNCTION take_pgqueuer_job() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    INSERT INTO jobs (kind, payload, turn, dedupe_key, due_at)
    VALUES (NEW.entrypoint, coalesce(NEW.payload, ''), NEW.priority, NEW.dedupe_key,
            coalesce(NEW.execute_after, now()))
    ON CONFLICT DO NOTHING;
    PERFORM pg_notify('parley_jobs', '');
    RETURN NULL;
END
$body$
