-- Lock the contract of a session and read its case, in one statement in place of two. The contract is that of the
-- request `asked`, or `wanted`, or that of the session's link. If it is not one of the session, nothing is locked.
CREATE FUNCTION lock_visit(secret bytea, wanted uuid, asked uuid)
RETURNS TABLE (its_session signing_session, its_contract contract, its_signer signer, its_task signing_task)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  locked uuid;
BEGIN
  SELECT c.id INTO locked FROM signing_session AS own JOIN contract AS c ON c.id = ANY (own.contracts) AND c.id =
    CASE WHEN asked IS NULL THEN coalesce(wanted, own.contract)
    ELSE (SELECT one.contract FROM signature_request AS one WHERE one.id = asked AND one.session = own.id) END
  WHERE own.secret_hash = secret FOR NO KEY UPDATE OF c;
  RETURN QUERY SELECT own, c, s, t
  FROM signing_session AS own LEFT JOIN contract AS c ON c.id = locked AND c.id = ANY (own.contracts)
  LEFT JOIN (signer AS s JOIN signing_task AS t ON t.signer = s.id) ON s.contract = c.id
  WHERE own.secret_hash = secret ORDER BY s."order", s.field;
END
$$;
