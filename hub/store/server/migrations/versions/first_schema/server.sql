-- What this database is for, which hubs run on its schema, and the work that processes share.

CREATE TABLE installation (
  one boolean CONSTRAINT pk_installation PRIMARY KEY,
  kind text NOT NULL,
  clock_offset interval NOT NULL,
  created_at timestamptz NOT NULL,
  installation_id uuid,
  master_check text,
  root_sha256 text,
  seal_sha256 text
);

CREATE TABLE demo_clock (
  one boolean CONSTRAINT pk_demo_clock PRIMARY KEY,
  clock_offset interval NOT NULL
);

CREATE TABLE schema_compatibility (
  one boolean CONSTRAINT pk_schema_compatibility PRIMARY KEY,
  compatible_from text NOT NULL,
  CONSTRAINT ck_schema_compatibility_one CHECK (one)
);

CREATE TABLE duty (
  name text CONSTRAINT pk_duty PRIMARY KEY,
  due_at timestamptz NOT NULL
);

CREATE TABLE worker_heartbeat (
  worker uuid CONSTRAINT pk_worker_heartbeat PRIMARY KEY,
  at timestamptz NOT NULL
);

CREATE TABLE job_start (
  job bigint CONSTRAINT pk_job_start PRIMARY KEY,
  starts integer NOT NULL
);

CREATE TABLE sending_pause (
  one boolean CONSTRAINT pk_sending_pause PRIMARY KEY,
  since timestamptz NOT NULL,
  restored_from timestamptz,
  CONSTRAINT ck_sending_pause_one CHECK (one)
);

CREATE TABLE restored_delivery (
  delivery uuid CONSTRAINT pk_restored_delivery PRIMARY KEY
);

CREATE TABLE restored_until (
  one boolean CONSTRAINT pk_restored_until PRIMARY KEY,
  moment timestamptz NOT NULL,
  CONSTRAINT ck_restored_until_one CHECK (one)
);

CREATE TABLE row_count (
  figure text CONSTRAINT pk_row_count PRIMARY KEY,
  counts jsonb NOT NULL,
  counted_at timestamptz NOT NULL,
  seconds double precision NOT NULL
);

CREATE TABLE sealing_key (
  id text CONSTRAINT pk_sealing_key PRIMARY KEY,
  current_since timestamptz NOT NULL,
  is_current boolean NOT NULL,
  refuses_unbound boolean NOT NULL,
  retired_at timestamptz
);
CREATE UNIQUE INDEX uq_sealing_key_current ON sealing_key (is_current) WHERE is_current;
