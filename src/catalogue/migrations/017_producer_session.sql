-- The functions of producers mean the same in every session that calls them, whatever standard_conforming_strings or
-- DateStyle are there: no backslashes in their texts. And each schema has a channel of its own for what is due.
CREATE OR REPLACE FUNCTION id_of(account text, media_id text) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT 'm_' || left(encode(sha256(
    convert_to(account, 'UTF8') || decode('00', 'hex') || convert_to(media_id, 'UTF8')), 'hex'), 32)
$$;

-- SECURITY DEFINER below: nothing a caller could make of its own, a temporary table above all, may come first.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- One reference from any language; answers its id. Takes part in the caller's transaction: what is rolled back was
-- never asked for. A role needs USAGE on the schema and EXECUTE on this function, nothing else.
CREATE OR REPLACE FUNCTION archive(
  account text, media_id text, kind text, sent_at timestamptz DEFAULT now(), variant text DEFAULT NULL,
  parent_id text DEFAULT NULL, open_id text DEFAULT NULL, msg_id text DEFAULT NULL, pic_url text DEFAULT NULL,
  labels jsonb DEFAULT NULL, media_lifetime interval DEFAULT '72 hours')
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  new_id text := id_of(account, media_id);
  sent timestamptz := coalesce(sent_at, now());
  wrong text := CASE
    WHEN (char_length(account) BETWEEN 1 AND 128) IS NOT TRUE THEN 'account: 1 to 128 characters'
    WHEN (char_length(media_id) BETWEEN 1 AND 512) IS NOT TRUE THEN 'media_id: 1 to 512 characters'
    WHEN kind IS NULL OR kind NOT IN ('image', 'voice', 'video', 'shortvideo', 'thumb', 'file')
      THEN 'kind: image, voice, video, shortvideo, thumb or file'
    WHEN variant NOT IN ('16k', 'jssdk') THEN 'variant: 16k or jssdk'
    WHEN char_length(parent_id) NOT BETWEEN 1 AND 64 THEN 'parent_id: 1 to 64 characters'
    WHEN char_length(open_id) NOT BETWEEN 1 AND 128 THEN 'open_id: 1 to 128 characters'
    WHEN char_length(msg_id) NOT BETWEEN 1 AND 128 THEN 'msg_id: 1 to 128 characters'
    WHEN char_length(pic_url) NOT BETWEEN 1 AND 2048
      OR pic_url !~ '^https?://([A-Za-z0-9-]+[.])*[A-Za-z][A-Za-z0-9-]*(:[0-9]{1,4})?([/?#][^[:space:]]*)?$'
      THEN 'pic_url: a link of http or https to a host by its name, at most 2048 characters'
    WHEN sent NOT BETWEEN '2011-01-01Z' AND '2100-01-01Z' THEN 'sent_at: between 2011 and 2100'
    WHEN media_lifetime IS NULL OR media_lifetime NOT BETWEEN '1 second' AND '30 days'
      THEN 'media_lifetime: from 1 second to 30 days'
  END;
BEGIN
  IF wrong IS NULL AND jsonb_typeof(labels) IS DISTINCT FROM 'object' AND labels IS NOT NULL THEN
    wrong := 'labels: an object of texts';
  ELSIF wrong IS NULL AND labels IS NOT NULL AND (
      SELECT count(*) > 8 OR bool_or(jsonb_typeof(label.value) <> 'string'
        OR char_length(label.key) NOT BETWEEN 1 AND 64 OR char_length(label.value #>> '{}') NOT BETWEEN 1 AND 256)
      FROM jsonb_each(labels) AS label) THEN
    wrong := 'labels: at most 8, names of 1 to 64 and values of 1 to 256 characters';
  END IF;
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION '%', wrong USING ERRCODE = 'invalid_parameter_value';
  END IF;
  -- An id made of anything but the identity would be another media.
  PERFORM FROM account AS known WHERE known.account = archive.account;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'account: no archiver of this database has it; give the appId (WeCom: corpId-agentId)'
      USING ERRCODE = 'foreign_key_violation';
  END IF;
  PERFORM FROM accept(json_build_array(json_build_object(
    'id', new_id, 'account', account, 'media_id', media_id, 'kind', kind, 'variant', variant,
    'parent_id', parent_id, 'open_id', open_id, 'msg_id', msg_id, 'pic_url', pic_url, 'labels', labels,
    'sent_at', sent, 'expires_at', sent + media_lifetime, 'closes_at', sent + media_lifetime + interval '2 hours',
    'failure', CASE WHEN kind = 'file' AND starts_with(media_id, 'msg:')
      THEN '{"code": "not_downloadable", "class": "permanent_media"}'::json END
  )), now(), current_schema() || '_due');
  RETURN new_id;
END $$;
