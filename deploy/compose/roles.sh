#!/usr/bin/env bash
# Make the two roles and the database, when the server's folder is new. `owner` migrates; the product runs as `app`.
set -euo pipefail
psql --username postgres --set ON_ERROR_STOP=1 \
    --set owner_password="$QIANDA_OWNER_PASSWORD" --set app_password="$QIANDA_APP_PASSWORD" <<'SQL'
CREATE ROLE owner LOGIN PASSWORD :'owner_password';
CREATE ROLE app LOGIN PASSWORD :'app_password';
CREATE DATABASE qianda OWNER owner;
REVOKE ALL ON DATABASE qianda FROM PUBLIC;
GRANT CONNECT ON DATABASE qianda TO app;
SQL
