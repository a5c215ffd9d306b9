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
