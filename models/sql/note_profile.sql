-- Notes that a profile has changed, for processes of the release before, which do not. The next
-- release drops it.
CREATE FUNCTION note_profile() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    INSERT INTO profile_changes (bucket, at, user_id) VALUES (0, now(), OLD.id)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$body$
