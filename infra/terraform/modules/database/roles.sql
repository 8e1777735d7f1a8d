-- Once, as the superuser, in the database `comanda`; `password` is what the Secrets Manager has:
--   psql -v ON_ERROR_STOP=1 -v password=... -f roles.sql
-- The application connects as comanda_app or comanda_app_clone, who take turns when passwords are
-- changed. Both act as comanda_owner, so that what one has made the other can alter.

CREATE ROLE comanda_owner NOLOGIN;
GRANT comanda_owner TO CURRENT_USER;

CREATE ROLE comanda_app LOGIN PASSWORD :'password' IN ROLE comanda_owner;
ALTER ROLE comanda_app SET role = comanda_owner;

-- Without a password nobody gets in as this one until the first turn.
CREATE ROLE comanda_app_clone LOGIN IN ROLE comanda_owner;
ALTER ROLE comanda_app_clone SET role = comanda_owner;

SELECT format('ALTER DATABASE %I OWNER TO comanda_owner', current_database()) \gexec
