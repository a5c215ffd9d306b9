-- Campuses, courses, the roster, the school's own calendar; posters and the guests who come by them.

CREATE TABLE campus (
  id text CONSTRAINT pk_campus PRIMARY KEY,
  parent text CONSTRAINT fk_campus_parent REFERENCES campus (id),
  name text NOT NULL,
  name_en text NOT NULL,
  zone text NOT NULL,
  address text NOT NULL,
  phone text NOT NULL,
  address_en text NOT NULL DEFAULT ''
);

CREATE TABLE course (
  campus text NOT NULL CONSTRAINT fk_course_campus REFERENCES campus (id),
  id text NOT NULL,
  name text NOT NULL,
  name_en text NOT NULL,
  details jsonb NOT NULL,
  CONSTRAINT pk_course PRIMARY KEY (campus, id)
);

CREATE TABLE enrolment (
  id uuid CONSTRAINT pk_enrolment PRIMARY KEY,
  campus text NOT NULL CONSTRAINT fk_enrolment_campus REFERENCES campus (id),
  course text NOT NULL,
  student_name text NOT NULL,
  student_hash bytea NOT NULL,
  people_sealed bytea NOT NULL,
  external_id text,
  contract uuid,
  created_at timestamptz NOT NULL
);
CREATE INDEX ix_enrolment_open ON enrolment (campus, created_at) WHERE contract IS NULL;
CREATE UNIQUE INDEX uq_enrolment_line ON enrolment (campus, course, student_hash);

CREATE TABLE roster_upload (
  id uuid CONSTRAINT pk_roster_upload PRIMARY KEY,
  campus text NOT NULL CONSTRAINT fk_roster_upload_campus REFERENCES campus (id),
  created_by text NOT NULL,
  name text NOT NULL,
  created_at timestamptz NOT NULL,
  data_sealed bytea NOT NULL
);
CREATE INDEX ix_roster_upload_created_at ON roster_upload (created_at);

CREATE TABLE roster_titles (
  campus text CONSTRAINT pk_roster_titles PRIMARY KEY CONSTRAINT fk_roster_titles_campus REFERENCES campus (id),
  columns jsonb NOT NULL
);

CREATE TABLE school_day (
  campus text NOT NULL CONSTRAINT fk_school_day_campus REFERENCES campus (id),
  day date NOT NULL,
  open boolean NOT NULL,
  name text NOT NULL,
  CONSTRAINT pk_school_day PRIMARY KEY (campus, day)
);

CREATE TABLE poster (
  id uuid CONSTRAINT pk_poster PRIMARY KEY,
  campus text NOT NULL CONSTRAINT fk_poster_campus REFERENCES campus (id),
  title text NOT NULL,
  courses text[] NOT NULL,
  mode text NOT NULL,
  ticket_hash bytea NOT NULL CONSTRAINT uq_poster_ticket_hash UNIQUE,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  maximum integer,
  allowed bytea[] NOT NULL,
  revoked_at timestamptz
);
CREATE INDEX ix_poster_campus ON poster (campus, created_at);

CREATE TABLE poster_scan (
  id bigserial CONSTRAINT pk_poster_scan PRIMARY KEY,
  poster uuid NOT NULL CONSTRAINT fk_poster_scan_poster REFERENCES poster (id),
  campus text NOT NULL,
  visitor uuid,
  step text NOT NULL,
  at timestamptz NOT NULL,
  enrolment uuid,
  contract uuid,
  student_hash bytea
);
CREATE INDEX ix_poster_scan_poster ON poster_scan (poster, at);
CREATE UNIQUE INDEX uq_poster_scan_student ON poster_scan (poster, student_hash) WHERE student_hash IS NOT NULL;

CREATE TABLE visitor (
  id uuid CONSTRAINT pk_visitor PRIMARY KEY,
  secret_hash bytea NOT NULL CONSTRAINT uq_visitor_secret_hash UNIQUE,
  door text NOT NULL,
  poster uuid CONSTRAINT fk_visitor_poster REFERENCES poster (id),
  person text NOT NULL,
  phone_sealed bytea NOT NULL,
  phone_hash bytea NOT NULL,
  name_sealed bytea,
  language text NOT NULL,
  key_challenge bytea NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  verified_at timestamptz
);
