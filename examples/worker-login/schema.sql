-- Whoever may sign in. `subject` is the `sub` of access tokens: it never changes, and nobody else ever
-- gets it, whatever becomes of the username.
CREATE TABLE users (
  tenant TEXT NOT NULL,
  username TEXT NOT NULL COLLATE NOCASE,
  subject TEXT NOT NULL,
  name TEXT NOT NULL,
  password TEXT NOT NULL,
  PRIMARY KEY (tenant, username),
  UNIQUE (tenant, subject)
) STRICT;
