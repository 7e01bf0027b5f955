-- The foundation: everything that must never happen is refused here, so that every replica and both engines refuse it.
-- The twin for the other engine has the same file name, tables, columns, keys and indexes; a test compares the two.
-- Every table of a tenant has tenant_id, and foreign keys carry it: no row can point across the wall between two tenants.

create table tenants (
  tenant_id blob not null primary key,
  slug text not null,
  name text not null,
  catalogue text not null,
  -- The operator's own tenant; there is exactly one.
  reserved integer not null,
  state text not null,
  epoch integer not null,
  -- Minutes without a request, and minutes altogether, after which sessions end; the service's own limits where there are none.
  session_idle integer,
  session_absolute integer,
  created_at text not null,
  constraint tenants_slug unique (slug),
  constraint tenants_state check (state in ('active', 'suspended'))
) strict;
create unique index tenants_reserved on tenants (reserved) where reserved;

create table accounts (
  tenant_id blob not null references tenants (tenant_id),
  id blob not null primary key,
  parent_id blob,
  slug text not null,
  name text not null,
  state text not null,
  created_at text not null,
  constraint accounts_tenant unique (tenant_id, id),
  constraint accounts_slug unique (parent_id, slug),
  constraint accounts_parent foreign key (tenant_id, parent_id) references accounts (tenant_id, id),
  constraint accounts_state check (state in ('active', 'suspended'))
) strict;
create unique index accounts_one_root on accounts (tenant_id) where parent_id is null;
create index accounts_children on accounts (tenant_id, parent_id);

create table services (
  tenant_id blob not null,
  id blob not null primary key,
  account_id blob not null,
  key text not null,
  created_at text not null,
  constraint services_tenant unique (tenant_id, id),
  constraint services_key unique (account_id, key),
  constraint services_account foreign key (tenant_id, account_id) references accounts (tenant_id, id)
) strict;

create table instances (
  tenant_id blob not null,
  id blob not null primary key,
  service_id blob not null,
  ref text not null,
  created_at text not null,
  constraint instances_tenant unique (tenant_id, id),
  constraint instances_ref unique (service_id, ref),
  constraint instances_service foreign key (tenant_id, service_id) references services (tenant_id, id)
) strict;

create table connections (
  tenant_id blob not null references tenants (tenant_id),
  id blob not null primary key,
  slug text not null,
  name text not null,
  protocol text not null,
  state text not null,
  issuer text not null,
  secret_sealed blob,
  jit text not null,
  missing_claim text not null,
  home_account_id blob not null,
  contact text,
  settings text not null,
  epoch integer not null,
  version integer not null,
  created_at text not null,
  updated_at text not null,
  constraint connections_tenant unique (tenant_id, id),
  constraint connections_slug unique (tenant_id, slug),
  constraint connections_home foreign key (tenant_id, home_account_id) references accounts (tenant_id, id),
  constraint connections_protocol check (protocol in ('oidc', 'saml')),
  constraint connections_settings check (coalesce(settings ->> 'protocol', '') = protocol),
  constraint connections_state check (state in ('draft', 'enabled', 'disabled')),
  constraint connections_jit check (jit in ('off', 'if-provisioned', 'on')),
  constraint connections_missing_claim check (missing_claim in ('clear', 'keep', 'deny'))
) strict;

-- The certificates by which a SAML identity provider signs. There may be several while it changes its key.
create table connection_certificates (
  tenant_id blob not null,
  id blob not null primary key,
  connection_id blob not null,
  der blob not null,
  fingerprint text not null,
  source text not null,
  not_before text not null,
  not_after text not null,
  added_at text not null,
  last_used_at text,
  -- Since when the identity provider's metadata has it no more.
  absent_since text,
  -- How many days before its end that was last told.
  alerted_days integer,
  constraint connection_certificates_once unique (connection_id, fingerprint),
  constraint connection_certificates_connection foreign key (tenant_id, connection_id) references connections (tenant_id, id),
  constraint connection_certificates_source check (source in ('metadata', 'manual'))
) strict;
create index connection_certificates_by_end on connection_certificates (not_after);
create index connection_certificates_absent on connection_certificates (absent_since) where absent_since is not null;

-- Our own keys at a connection: they sign what we ask and decrypt what we are told. Until it is retired a key is published.
create table connection_keys (
  tenant_id blob not null,
  id blob not null primary key,
  connection_id blob not null,
  certificate blob not null,
  private_sealed blob not null,
  created_at text not null,
  -- From when on it signs.
  active_from text not null,
  retired_at text,
  constraint connection_keys_connection foreign key (tenant_id, connection_id) references connections (tenant_id, id)
) strict;
create index connection_keys_by_connection on connection_keys (connection_id, active_from, id);

-- Where the metadata of a connection's identity provider is read, and how that went.
create table connection_metadata (
  tenant_id blob not null,
  connection_id blob not null primary key,
  -- None, where it comes by hand.
  url text,
  fetched_at text,
  due_at text not null,
  failures integer not null,
  -- Why it could not be taken in.
  problem text,
  -- What it says of the identity provider's name and endpoints, where that is not what the connection has: an administrator has to approve it.
  proposed text,
  proposed_at text,
  constraint connection_metadata_connection foreign key (tenant_id, connection_id) references connections (tenant_id, id),
  constraint connection_metadata_proposal check ((proposed is null) = (proposed_at is null))
) strict;
create index connection_metadata_by_due on connection_metadata (due_at) where url is not null;

-- Assertions and logout requests that were taken: none counts twice.
create table connection_assertions (
  tenant_id blob not null,
  connection_id blob not null,
  assertion_id text not null,
  expires_at text not null,
  constraint connection_assertions_once primary key (connection_id, assertion_id),
  constraint connection_assertions_connection foreign key (tenant_id, connection_id) references connections (tenant_id, id)
) strict;
create index connection_assertions_by_end on connection_assertions (expires_at);

create table domains (
  tenant_id blob not null references tenants (tenant_id),
  id blob not null primary key,
  domain text not null,
  proof text not null,
  -- The operator may let several tenants use one domain.
  shared integer not null,
  verified_at text,
  checked_at text,
  failures integer not null,
  created_at text not null,
  constraint domains_tenant unique (tenant_id, id),
  constraint domains_once unique (tenant_id, domain)
) strict;
create index domains_by_domain on domains (domain, tenant_id);
create unique index domains_one_owner on domains (domain) where verified_at is not null and not shared;

create table domain_connections (
  tenant_id blob not null,
  domain_id blob not null,
  connection_id blob not null,
  constraint domain_connections_key primary key (domain_id, connection_id),
  constraint domain_connections_domain foreign key (tenant_id, domain_id) references domains (tenant_id, id),
  constraint domain_connections_connection foreign key (tenant_id, connection_id) references connections (tenant_id, id)
) strict;
create index domain_connections_by_connection on domain_connections (connection_id);

create table directories (
  tenant_id blob not null references tenants (tenant_id),
  id blob not null primary key,
  slug text not null,
  name text not null,
  profile text not null,
  state text not null,
  home_account_id blob not null,
  settings text not null,
  -- Reads are logged too until then.
  trace_until text,
  -- In force: what the client profile and the settings come to. Rows that are written meanwhile have their unique keys.
  unique_group_names integer not null,
  unique_external_ids integer not null,
  created_at text not null,
  updated_at text not null,
  constraint directories_tenant unique (tenant_id, id),
  constraint directories_slug unique (tenant_id, slug),
  constraint directories_home foreign key (tenant_id, home_account_id) references accounts (tenant_id, id),
  constraint directories_state check (state in ('enabled', 'disabled'))
) strict;

-- A binding pair: the claim of a sign-in that equals an attribute of the provisioned login.
create table bindings (
  tenant_id blob not null,
  directory_id blob not null,
  connection_id blob not null,
  claim text not null,
  attribute text not null,
  created_at text not null,
  constraint bindings_key primary key (directory_id, connection_id),
  constraint bindings_directory foreign key (tenant_id, directory_id) references directories (tenant_id, id),
  constraint bindings_connection foreign key (tenant_id, connection_id) references connections (tenant_id, id),
  constraint bindings_attribute check (attribute in ('externalId', 'userName'))
) strict;
create index bindings_by_connection on bindings (connection_id, directory_id);

create table tokens (
  tenant_id blob not null,
  id blob not null primary key,
  directory_id blob not null,
  name text not null,
  prefix text not null,
  digest blob not null,
  scopes text not null,
  created_by text not null,
  created_at text not null,
  expires_at text,
  last_used_at text,
  -- Rotation: the token whose place this one took, and when another took the place of this one, which lives on until it expires.
  replaces blob,
  replaced_at text,
  revoked_at text,
  constraint tokens_tenant unique (tenant_id, id),
  constraint tokens_prefix unique (prefix),
  constraint tokens_replaces unique (tenant_id, replaces),
  constraint tokens_directory foreign key (tenant_id, directory_id) references directories (tenant_id, id),
  constraint tokens_replaced foreign key (tenant_id, replaces) references tokens (tenant_id, id),
  constraint tokens_overlap check (replaced_at is null or expires_at is not null)
) strict;
create unique index tokens_name on tokens (directory_id, name) where replaced_at is null and revoked_at is null;
create index tokens_by_directory on tokens (tenant_id, directory_id, name, id);

create table persons (
  tenant_id blob not null references tenants (tenant_id),
  id blob not null primary key,
  state text not null,
  epoch integer not null,
  merged_into blob,
  merged_at text,
  -- Whether logins may be in it. They refer to this column, so that no row puts one into a person that was merged.
  open integer not null,
  created_at text not null,
  constraint persons_tenant unique (tenant_id, id),
  constraint persons_place unique (tenant_id, id, open),
  constraint persons_merged_into foreign key (tenant_id, merged_into) references persons (tenant_id, id),
  constraint persons_state check (state in ('active', 'deactivated', 'merged')),
  constraint persons_merged check ((state = 'merged') = (merged_into is not null) and (state = 'merged') = (merged_at is not null)),
  constraint persons_open check (open = (state <> 'merged'))
) strict;
create index persons_by_merged_into on persons (tenant_id, merged_into);

create table logins (
  tenant_id blob not null,
  id blob not null primary key,
  person_id blob not null,
  -- Always so; it refers to the person's own column.
  person_open integer not null,
  -- The person that the login was born with; unlinking restores it.
  born_person_id blob not null,
  slot integer not null,
  kind text not null,
  directory_id blob,
  connection_id blob,
  home_account_id blob not null,
  -- The directory, else the connection, else the one constant that all local logins share.
  namespace_id blob not null,
  user_name text not null,
  user_name_key text not null,
  -- Which folding made the keys of this row.
  folding integer not null,
  external_id text,
  -- Filled where the directory forbids two logins of one externalId.
  unique_external_key text,
  -- Folded, the user name of the same person's other login, as their directory says. A hint, no more: it proposes to link the two.
  other_user_name_key text,
  -- What the directory says, or whoever made the login. Beside it, since when an administrator's hand has deactivated it: neither undoes the other.
  active integer not null,
  locked_at text,
  -- A local login is locked too when the other login of its person leaves; by which one. That one's return unlocks it.
  suspended_by blob,
  -- A local login that stays when the other one leaves: the tenant's last way in.
  break_glass integer not null,
  -- When somebody was asked to come.
  invited_at text,
  -- The second factor of a local login, and the kind of mobile that has the soft token.
  token_type text,
  mobile_type text,
  -- The attributes as provisioned; search is the same in comparable form, which filters read.
  scim text not null,
  search text not null,
  claims text not null,
  version integer not null,
  facts_version integer not null,
  epoch integer not null,
  signed_in_at text,
  created_at text not null,
  updated_at text not null,
  constraint logins_tenant unique (tenant_id, id),
  -- At most two logins a person.
  constraint logins_slot unique (person_id, slot),
  constraint logins_slots check (slot in (1, 2)),
  constraint logins_user_name unique (namespace_id, user_name_key),
  constraint logins_unique_external_key unique (directory_id, unique_external_key),
  constraint logins_of_person unique (tenant_id, person_id, id),
  constraint logins_person foreign key (tenant_id, person_id, person_open) references persons (tenant_id, id, open),
  constraint logins_person_open check (person_open),
  constraint logins_born_person foreign key (tenant_id, born_person_id) references persons (tenant_id, id),
  constraint logins_directory foreign key (tenant_id, directory_id) references directories (tenant_id, id),
  constraint logins_connection foreign key (tenant_id, connection_id) references connections (tenant_id, id),
  constraint logins_home foreign key (tenant_id, home_account_id) references accounts (tenant_id, id),
  constraint logins_kind check (kind in ('byoi', 'local')),
  constraint logins_suspended check (suspended_by is null or (kind = 'local' and locked_at is not null)),
  constraint logins_break_glass check (kind = 'local' or not break_glass),
  constraint logins_token_type check (token_type is null or (token_type in ('sms', 'soft-token') and kind = 'local')),
  constraint logins_mobile_type check (mobile_type is null or (token_type is not null and token_type = 'soft-token'))
) strict;
create index logins_by_directory on logins (tenant_id, directory_id, id);
create index logins_by_external_id on logins (tenant_id, directory_id, external_id, id);
create index logins_by_other_user_name on logins (tenant_id, directory_id, other_user_name_key);
create index logins_by_suspension on logins (tenant_id, suspended_by);

create table emails (
  tenant_id blob not null,
  login_id blob not null,
  position integer not null,
  value text not null,
  value_key text not null,
  constraint emails_key primary key (tenant_id, login_id, position),
  constraint emails_login foreign key (tenant_id, login_id) references logins (tenant_id, id) on delete cascade
) strict;
create index emails_by_value on emails (tenant_id, value_key, login_id);

-- What an identity provider calls a login for ever: the only way a sign-in finds one.
create table subjects (
  tenant_id blob not null,
  login_id blob not null,
  connection_id blob not null,
  issuer text not null,
  kind text not null,
  value text not null,
  created_at text not null,
  constraint subjects_once primary key (connection_id, issuer, kind, value),
  constraint subjects_of_login unique (tenant_id, login_id, connection_id, issuer, kind, value),
  constraint subjects_login foreign key (tenant_id, login_id) references logins (tenant_id, id) on delete cascade,
  constraint subjects_connection foreign key (tenant_id, connection_id) references connections (tenant_id, id),
  constraint subjects_kind check (kind in ('sub', 'name_id', 'attribute'))
) strict;
create index subjects_by_login on subjects (login_id);

-- What the binding pairs proved of a login that no directory has, at its last sign-in, or what whoever made it by hand named, by which its
-- first sign-in finds it: by either a directory adopts it.
create table pair_values (
  tenant_id blob not null,
  login_id blob not null,
  connection_id blob not null,
  claim text not null,
  value text not null,
  by_hand integer not null,
  constraint pair_values_key primary key (login_id, connection_id, claim),
  constraint pair_values_login foreign key (tenant_id, login_id) references logins (tenant_id, id) on delete cascade,
  constraint pair_values_connection foreign key (tenant_id, connection_id) references connections (tenant_id, id)
) strict;
create index pair_values_by_value on pair_values (tenant_id, connection_id, claim, value);
create unique index pair_values_by_hand on pair_values (connection_id, claim, value) where by_hand;

-- A deleted login. Sign-in refuses its subjects and pair values until a directory or an administrator lifts it.
create table tombstones (
  tenant_id blob not null references tenants (tenant_id),
  id blob not null primary key,
  person_id blob not null,
  directory_id blob,
  user_name text not null,
  external_id text,
  deleted_at text not null,
  lifted_at text,
  constraint tombstones_tenant unique (tenant_id, id),
  constraint tombstones_directory foreign key (tenant_id, directory_id) references directories (tenant_id, id)
) strict;

create table tombstone_subjects (
  tenant_id blob not null,
  tombstone_id blob not null,
  connection_id blob not null,
  issuer text not null,
  kind text not null,
  value text not null,
  constraint tombstone_subjects_key primary key (tombstone_id, connection_id, issuer, kind, value),
  constraint tombstone_subjects_tombstone foreign key (tenant_id, tombstone_id) references tombstones (tenant_id, id)
) strict;
create index tombstone_subjects_by_value on tombstone_subjects (tenant_id, connection_id, issuer, kind, value);

-- The value by which each joined connection would have bound the deleted login.
create table tombstone_pairs (
  tenant_id blob not null,
  tombstone_id blob not null,
  connection_id blob not null,
  claim text not null,
  value text not null,
  constraint tombstone_pairs_key primary key (tombstone_id, connection_id, claim),
  constraint tombstone_pairs_tombstone foreign key (tenant_id, tombstone_id) references tombstones (tenant_id, id)
) strict;
create index tombstone_pairs_by_value on tombstone_pairs (tenant_id, connection_id, claim, value);

create table groups (
  tenant_id blob not null,
  id blob not null primary key,
  directory_id blob not null,
  display text not null,
  display_key text not null,
  -- Filled where the directory forbids two groups of one name.
  unique_key text,
  external_id text,
  -- Filled where the directory forbids two groups of one externalId.
  unique_external_key text,
  scim text not null,
  search text not null,
  version integer not null,
  created_at text not null,
  updated_at text not null,
  constraint groups_tenant unique (tenant_id, id),
  constraint groups_unique_key unique (directory_id, unique_key),
  constraint groups_unique_external_key unique (directory_id, unique_external_key),
  constraint groups_directory foreign key (tenant_id, directory_id) references directories (tenant_id, id)
) strict;
create index groups_by_directory on groups (tenant_id, directory_id, id);
create index groups_by_display on groups (tenant_id, directory_id, display_key, id);
create index groups_by_external_id on groups (tenant_id, directory_id, external_id, id);

create table group_logins (
  tenant_id blob not null,
  group_id blob not null,
  login_id blob not null,
  constraint group_logins_key primary key (group_id, login_id),
  constraint group_logins_group foreign key (tenant_id, group_id) references groups (tenant_id, id) on delete cascade,
  constraint group_logins_login foreign key (tenant_id, login_id) references logins (tenant_id, id) on delete cascade
) strict;
create index group_logins_by_login on group_logins (login_id, group_id);

create table group_groups (
  tenant_id blob not null,
  group_id blob not null,
  member_id blob not null,
  constraint group_groups_key primary key (group_id, member_id),
  constraint group_groups_group foreign key (tenant_id, group_id) references groups (tenant_id, id) on delete cascade,
  constraint group_groups_member foreign key (tenant_id, member_id) references groups (tenant_id, id) on delete cascade,
  constraint group_groups_self check (group_id <> member_id)
) strict;
create index group_groups_by_member on group_groups (member_id, group_id);

-- The operator's role catalogues, as the files said when the service last started. A role that is gone is retired, never deleted.
create table roles (
  catalogue text not null,
  key text not null,
  name text not null,
  description text not null,
  exclusive_set text,
  rank integer not null,
  retired_at text,
  constraint roles_key primary key (catalogue, key)
) strict;

create table rule_sets (
  tenant_id blob not null primary key references tenants (tenant_id),
  version integer not null,
  updated_at text not null
) strict;

create table rules (
  tenant_id blob not null,
  id blob not null primary key,
  name text not null,
  position integer not null,
  directory_id blob,
  connection_id blob,
  within_id blob not null,
  body text not null,
  version integer not null,
  created_at text not null,
  updated_at text not null,
  constraint rules_name unique (tenant_id, name),
  constraint rules_set foreign key (tenant_id) references rule_sets (tenant_id),
  constraint rules_directory foreign key (tenant_id, directory_id) references directories (tenant_id, id),
  constraint rules_connection foreign key (tenant_id, connection_id) references connections (tenant_id, id),
  constraint rules_within foreign key (tenant_id, within_id) references accounts (tenant_id, id),
  constraint rules_one_origin check ((directory_id is null) <> (connection_id is null))
) strict;

create table assignments (
  tenant_id blob not null,
  id blob not null primary key,
  login_id blob not null,
  account_id blob not null,
  service_id blob,
  instance_id blob,
  catalogue text not null,
  role text not null,
  source text not null,
  -- The rule, or the login or operator that gave it.
  source_id blob not null,
  granted_at text not null,
  constraint assignments_tenant unique (tenant_id, id),
  constraint assignments_login foreign key (tenant_id, login_id) references logins (tenant_id, id) on delete cascade,
  constraint assignments_account foreign key (tenant_id, account_id) references accounts (tenant_id, id),
  constraint assignments_service foreign key (tenant_id, service_id) references services (tenant_id, id),
  constraint assignments_instance foreign key (tenant_id, instance_id) references instances (tenant_id, id),
  constraint assignments_role foreign key (catalogue, role) references roles (catalogue, key),
  constraint assignments_source check (source in ('rule', 'manual', 'operator')),
  constraint assignments_narrowed check (instance_id is null or service_id is not null)
) strict;
-- coalesce makes "every service" one value. A rule and a hand may give the same role, and neither takes the other's away.
create unique index assignments_once
  on assignments (login_id, account_id, coalesce(service_id, account_id), coalesce(instance_id, account_id), role, source, source_id);
create index assignments_by_login on assignments (tenant_id, login_id, id);
create index assignments_by_account on assignments (tenant_id, account_id, role);
create index assignments_by_service on assignments (service_id);
create index assignments_by_instance on assignments (instance_id);
create index assignments_by_source on assignments (tenant_id, source_id);

-- Work that goes on after the change that caused it: roles that are computed anew, some at a time.
create table jobs (
  tenant_id blob not null references tenants (tenant_id),
  id blob not null primary key,
  -- Who may read the rules of this account sees it.
  account_id blob not null,
  -- The change that caused it: the kind of its event and the event's target, who made it, with which request.
  cause text not null,
  target_id blob not null,
  actor text not null,
  request_id text,
  -- How many logins there are to it.
  total integer not null,
  created_at text not null,
  finished_at text,
  constraint jobs_tenant unique (tenant_id, id),
  constraint jobs_account foreign key (tenant_id, account_id) references accounts (tenant_id, id)
) strict;
create index jobs_by_tenant on jobs (tenant_id, created_at, id);
create index jobs_open on jobs (tenant_id, created_at, id) where finished_at is null;
create index jobs_by_age on jobs (finished_at) where finished_at is not null;

-- Logins whose roles are still to be computed anew. Until then what rules give them is evaluated when it is read. No foreign key to the
-- login: a hundred thousand of them would be written to, only to be referred to. A row that is nobody's any more does no harm.
create table recomputations (
  tenant_id blob not null,
  login_id blob not null,
  job_id blob not null,
  constraint recomputations_key primary key (login_id),
  constraint recomputations_job foreign key (tenant_id, job_id) references jobs (tenant_id, id)
) strict;
create index recomputations_by_job on recomputations (job_id, login_id);

-- What waits for somebody's approval, by rules of the tenant's own: policies, what was asked for, and who decided what.
create table approval_policies (
  tenant_id blob not null,
  id blob not null primary key,
  account_id blob not null,
  name text not null,
  body text not null,
  version integer not null,
  created_at text not null,
  updated_at text not null,
  constraint approval_policies_name unique (account_id, name),
  constraint approval_policies_account foreign key (tenant_id, account_id) references accounts (tenant_id, id)
) strict;
create index approval_policies_by_account on approval_policies (tenant_id, account_id, name);

-- Logins are ids without foreign keys: what was decided outlives them. One that waits and is past its end has expired.
create table approvals (
  tenant_id blob not null,
  id blob not null primary key,
  account_id blob not null,
  occasion text not null,
  state text not null,
  -- Whom it is about.
  subject_login_id blob,
  subject_person_id blob,
  -- Who asked.
  requester text not null,
  requester_login_id blob,
  requester_person_id blob,
  content text not null,
  -- What the policies asked for when it was asked: whoever changes them later changes nothing here.
  needs text not null,
  -- Why it could not be carried out.
  failure text,
  -- The event that has the reasons of who asked.
  event_id blob not null,
  created_at text not null,
  expires_at text not null,
  settled_at text,
  constraint approvals_tenant unique (tenant_id, id),
  constraint approvals_account foreign key (tenant_id, account_id) references accounts (tenant_id, id),
  constraint approvals_state check (state in ('pending', 'approved', 'rejected', 'withdrawn', 'failed')),
  constraint approvals_settled check ((state = 'pending') = (settled_at is null))
) strict;
create index approvals_by_time on approvals (tenant_id, created_at, id);
create index approvals_waiting on approvals (tenant_id, created_at, id) where state = 'pending';
create index approvals_by_subject on approvals (tenant_id, subject_login_id, account_id) where state = 'pending';

-- One decision a person.
create table approval_decisions (
  tenant_id blob not null,
  approval_id blob not null,
  login_id blob not null,
  person_id blob not null,
  verdict text not null,
  -- The places of the needs that it counts for.
  counts_for text not null,
  event_id blob not null,
  decided_at text not null,
  constraint approval_decisions_key primary key (tenant_id, approval_id, person_id),
  constraint approval_decisions_approval foreign key (tenant_id, approval_id) references approvals (tenant_id, id),
  constraint approval_decisions_verdict check (verdict in ('approve', 'reject'))
) strict;

create table sessions (
  tenant_id blob not null,
  id blob not null primary key,
  digest blob not null,
  person_id blob not null,
  active_login_id blob not null,
  user_agent text not null,
  -- Where in the network it was last seen.
  address text,
  created_at text not null,
  last_seen_at text not null,
  expires_at text not null,
  constraint sessions_tenant unique (tenant_id, id),
  constraint sessions_of_person unique (tenant_id, person_id, id),
  constraint sessions_digest unique (digest),
  constraint sessions_person foreign key (tenant_id, person_id) references persons (tenant_id, id),
  constraint sessions_active_login foreign key (tenant_id, active_login_id) references logins (tenant_id, id) on delete cascade
) strict;
create index sessions_by_active_login on sessions (active_login_id);
create index sessions_by_beginning on sessions (tenant_id, created_at);
create index sessions_by_use on sessions (tenant_id, last_seen_at);
create index sessions_by_end on sessions (tenant_id, expires_at);

-- One login within one session; sid is what portals see, and changes when the person switches to another login. Whose person the two are
-- is part of both keys: a login that moves to another person takes part in no session any more.
create table session_logins (
  tenant_id blob not null,
  sid blob not null primary key,
  session_id blob not null,
  login_id blob not null,
  person_id blob not null,
  connection_id blob,
  -- The epochs when it was authenticated: the session counts while they still hold.
  login_epoch integer not null,
  person_epoch integer not null,
  connection_epoch integer not null,
  tenant_epoch integer not null,
  authenticated_at text not null,
  -- When the identity provider says that it last asked the person for proof (auth_time), if it says so.
  asserted_at text,
  -- The same, where it was told to ask anew (prompt=login, ForceAuthn): fresh proof, for some minutes.
  proved_at text,
  upstream_session text,
  acr text,
  amr text not null,
  -- What a SAML identity provider calls the login when it ends its session: all of it, and its value alone.
  name_id text,
  name_id_value text,
  -- When the identity provider wants sessions to end in which it is signed in so (SessionNotOnOrAfter).
  session_until text,
  constraint session_logins_tenant unique (tenant_id, sid),
  constraint session_logins_once unique (session_id, tenant_id, login_id),
  constraint session_logins_session foreign key (tenant_id, session_id, person_id)
    references sessions (tenant_id, id, person_id) on delete cascade,
  constraint session_logins_login foreign key (tenant_id, login_id, person_id)
    references logins (tenant_id, id, person_id) on delete cascade,
  constraint session_logins_connection foreign key (tenant_id, connection_id) references connections (tenant_id, id)
) strict;
create index session_logins_by_login on session_logins (login_id);
create index session_logins_by_upstream on session_logins (connection_id, upstream_session);
create index session_logins_by_name_id on session_logins (connection_id, name_id_value);
create index session_logins_by_connection_epoch on session_logins (connection_id, connection_epoch);

create table pending_sign_ins (
  tenant_id blob not null,
  id blob not null primary key,
  connection_id blob not null,
  state_digest blob not null,
  browser_digest blob not null,
  -- What the sign-in must prove beyond who somebody is.
  demand text not null,
  -- What it is for.
  purpose text not null,
  -- Nonce and PKCE verifier.
  proof_sealed blob not null,
  return_to text,
  created_at text not null,
  expires_at text not null,
  consumed_at text,
  constraint pending_sign_ins_state unique (state_digest),
  constraint pending_sign_ins_connection foreign key (tenant_id, connection_id) references connections (tenant_id, id)
) strict;
create index pending_sign_ins_by_end on pending_sign_ins (expires_at);

-- Logouts that SAML identity providers were asked for.
create table pending_logouts (
  tenant_id blob not null,
  id blob not null primary key,
  connection_id blob not null,
  state_digest blob not null,
  request_id text not null,
  created_at text not null,
  expires_at text not null,
  constraint pending_logouts_state unique (state_digest),
  constraint pending_logouts_connection foreign key (tenant_id, connection_id) references connections (tenant_id, id)
) strict;
create index pending_logouts_by_end on pending_logouts (expires_at);

-- A link that is being made: a login that a session has proved, and what somebody then proves at a connection. Good for some minutes, and
-- once. It goes with the session, with the login's part in it, and with the subject that was proved.
create table link_proofs (
  tenant_id blob not null,
  id blob not null primary key,
  session_id blob not null,
  login_id blob not null,
  connection_id blob not null,
  -- Where a proposal names it: the login that has to be proved, and no other.
  expected_login_id blob,
  -- What was proved: the subject, to the letter, the login that it then named, and how it signed in.
  issuer text,
  kind text,
  value text,
  other_login_id blob,
  authentication text,
  -- The epochs when it was proved: it counts while they still hold.
  login_epoch integer,
  person_epoch integer,
  connection_epoch integer,
  created_at text not null,
  expires_at text not null,
  consumed_at text,
  constraint link_proofs_tenant unique (tenant_id, id),
  constraint link_proofs_first foreign key (tenant_id, session_id, login_id)
    references session_logins (tenant_id, session_id, login_id) on delete cascade,
  constraint link_proofs_connection foreign key (tenant_id, connection_id) references connections (tenant_id, id),
  constraint link_proofs_second foreign key (tenant_id, other_login_id, connection_id, issuer, kind, value)
    references subjects (tenant_id, login_id, connection_id, issuer, kind, value) on delete cascade,
  constraint link_proofs_two check (other_login_id is null or other_login_id <> login_id),
  constraint link_proofs_whole check ((other_login_id is null) = (issuer is null) and (other_login_id is null) = (kind is null)
    and (other_login_id is null) = (value is null) and (other_login_id is null) = (authentication is null)
    and (other_login_id is null) = (login_epoch is null) and (other_login_id is null) = (person_epoch is null)
    and (other_login_id is null) = (connection_epoch is null))
) strict;
create index link_proofs_by_first on link_proofs (session_id, login_id);
create index link_proofs_by_second on link_proofs (tenant_id, other_login_id);
create index link_proofs_by_end on link_proofs (expires_at);

-- Two logins that an administrator takes for one person's, the one with the smaller id first. Only the person can link them.
create table link_proposals (
  tenant_id blob not null,
  login_id blob not null,
  other_login_id blob not null,
  created_by text not null,
  created_at text not null,
  constraint link_proposals_key primary key (tenant_id, login_id, other_login_id),
  constraint link_proposals_login foreign key (tenant_id, login_id) references logins (tenant_id, id) on delete cascade,
  constraint link_proposals_other foreign key (tenant_id, other_login_id) references logins (tenant_id, id) on delete cascade,
  constraint link_proposals_order check (login_id < other_login_id)
) strict;
create index link_proposals_by_other on link_proposals (tenant_id, other_login_id);

-- Portal applications, in the operator's tenant, and clients of a tenant that work for themselves.
create table clients (
  tenant_id blob not null references tenants (tenant_id),
  id blob not null primary key,
  client_id text not null,
  name text not null,
  secret_digest blob,
  redirect_uris text not null,
  -- Where a portal application is told that a session is over (OpenID Connect Back-Channel Logout 1.0).
  backchannel_logout_uri text,
  settings text not null,
  -- What a client may do by itself, and from which account down. A portal application does nothing by itself.
  within_id blob,
  scopes text,
  created_at text not null,
  updated_at text not null,
  last_used_at text,
  revoked_at text,
  constraint clients_tenant unique (tenant_id, id),
  constraint clients_client_id unique (client_id),
  constraint clients_within foreign key (tenant_id, within_id) references accounts (tenant_id, id),
  constraint clients_access check ((within_id is null) = (scopes is null))
) strict;
create index clients_by_tenant on clients (tenant_id, client_id);

-- What a client was given for its credentials, for some minutes.
create table access_tokens (
  tenant_id blob not null,
  id blob not null primary key,
  client_id blob not null,
  prefix text not null,
  digest blob not null,
  scopes text not null,
  created_at text not null,
  expires_at text not null,
  constraint access_tokens_prefix unique (prefix),
  constraint access_tokens_client foreign key (tenant_id, client_id) references clients (tenant_id, id)
) strict;
create index access_tokens_by_end on access_tokens (expires_at);

-- What a portal was given in one session, for one login on one account: an authorization code, and the refresh tokens that follow from it.
create table grants (
  tenant_id blob not null,
  id blob not null primary key,
  -- A portal application. It belongs to the operator's tenant, hence no tenant in this key.
  client_id blob not null references clients (id),
  sid blob not null,
  login_id blob not null,
  account_id blob not null,
  scopes text not null,
  nonce text,
  redirect_uri text not null,
  -- PKCE, always S256 (RFC 7636).
  code_challenge text not null,
  code_digest blob not null,
  code_expires_at text not null,
  redeemed_at text,
  created_at text not null,
  revoked_at text,
  constraint grants_tenant unique (tenant_id, id),
  constraint grants_code unique (code_digest),
  constraint grants_sid foreign key (tenant_id, sid) references session_logins (tenant_id, sid) on delete cascade,
  constraint grants_login foreign key (tenant_id, login_id) references logins (tenant_id, id) on delete cascade,
  constraint grants_account foreign key (tenant_id, account_id) references accounts (tenant_id, id)
) strict;
create index grants_by_sid on grants (sid);
create index grants_by_login on grants (login_id);

-- Every refresh token of a grant: the one that is good, and those that were used. One that comes again ends the grant.
create table refresh_tokens (
  tenant_id blob not null,
  grant_id blob not null,
  digest blob not null primary key,
  created_at text not null,
  used_at text,
  constraint refresh_tokens_grant foreign key (tenant_id, grant_id) references grants (tenant_id, id) on delete cascade
) strict;
create index refresh_tokens_by_grant on refresh_tokens (grant_id);

-- The ids (jti) of the assertions by which portals proved themselves (RFC 7523), until the assertions are over: each is good once.
create table used_assertions (
  tenant_id blob not null references tenants (tenant_id),
  client_id blob not null references clients (id),
  digest blob not null,
  expires_at text not null,
  constraint used_assertions_key primary key (client_id, digest)
) strict;
create index used_assertions_by_end on used_assertions (expires_at);

-- An authorization request that waits for its person to sign in or to choose an account, in the operator's tenant: whose it will be is not
-- known yet.
create table authorization_requests (
  tenant_id blob not null references tenants (tenant_id),
  id blob not null primary key,
  client_id blob not null references clients (id),
  handle_digest blob not null,
  -- Digest of the value in the browser's cookie.
  browser_digest blob not null,
  parameters text not null,
  created_at text not null,
  expires_at text not null,
  consumed_at text,
  constraint authorization_requests_handle unique (handle_digest)
) strict;
create index authorization_requests_by_end on authorization_requests (expires_at);

-- What was answered to a request that somebody may send again, by the key that they gave it. Without a status it is being worked on.
create table idempotency_keys (
  tenant_id blob not null references tenants (tenant_id),
  -- The login or client that asks.
  asker_id blob not null,
  key text not null,
  claim_id blob not null,
  -- SHA-256 of method, address and body.
  fingerprint blob not null,
  status integer,
  answer_sealed blob,
  created_at text not null,
  constraint idempotency_keys_key primary key (tenant_id, asker_id, key),
  constraint idempotency_keys_answered check ((status is null) = (answer_sealed is null))
) strict;
create index idempotency_keys_by_age on idempotency_keys (created_at);

create table keys (
  tenant_id blob not null references tenants (tenant_id),
  id blob not null primary key,
  purpose text not null,
  algorithm text not null,
  public text not null,
  private_sealed blob not null,
  created_at text not null,
  active_from text not null,
  retired_at text
) strict;
create index keys_by_purpose on keys (tenant_id, purpose, active_from, id);

-- The audit trail. Ids without foreign keys: an event outlives what it tells of.
create table events (
  tenant_id blob not null references tenants (tenant_id),
  id blob not null primary key,
  at text not null,
  kind text not null,
  actor text not null,
  -- The id of the actor, or `operator` or `system`, by which events are found.
  actor_key text not null,
  target_id blob not null,
  -- The account that it was about, or the home of whom or what it was about; null is the tenant as a whole.
  account_id blob,
  details text not null,
  request_id text,
  -- SHA-256 of its sealed personal values, if it has some.
  values_digest blob,
  constraint events_tenant unique (tenant_id, id)
) strict;
create index events_by_tenant on events (tenant_id, at, id);
create index events_by_actor on events (tenant_id, actor_key, at, id);
create index events_by_kind on events (tenant_id, kind, at, id);
create index events_by_request on events (tenant_id, request_id, at, id) where request_id is not null;
create index events_by_target on events (tenant_id, target_id, at, id);
create index events_by_account on events (tenant_id, account_id, at, id) where account_id is not null;

-- Personal values of events: who may be erased. The event holds the SHA-256 of the sealed text, so that the chain stays whole without the key.
create table event_values (
  tenant_id blob not null,
  event_id blob not null,
  person_id blob not null,
  sealed blob not null,
  constraint event_values_key primary key (tenant_id, event_id),
  constraint event_values_event foreign key (tenant_id, event_id) references events (tenant_id, id)
) strict;

-- The key of a person's values in events, itself sealed. Without it they are gone for good, also from backups of the table above.
create table person_keys (
  tenant_id blob not null references tenants (tenant_id),
  person_id blob not null,
  key_sealed blob not null,
  created_at text not null,
  constraint person_keys_key primary key (tenant_id, person_id)
) strict;

-- The chain over the events, in the order in which they were sealed: positions from 1 without a gap. No foreign key: a seal is the witness
-- of an event, also of one that is gone.
create table event_seals (
  tenant_id blob not null references tenants (tenant_id),
  position integer not null,
  event_id blob not null,
  at text not null,
  digest blob not null,
  chain blob not null,
  constraint event_seals_key primary key (tenant_id, position),
  constraint event_seals_event unique (tenant_id, event_id)
) strict;

-- What one replica at a time does.
create table leases (
  name text not null primary key,
  holder blob not null,
  until text not null
) strict;

-- Back-channel logouts that portals are to be told of: each sid once to each portal. Written in the transaction that ends the sid.
create table deliveries (
  tenant_id blob not null,
  client_id blob not null references clients (id),
  sid blob not null,
  login_id blob not null,
  created_at text not null,
  due_at text not null,
  attempts integer not null,
  leased_until text,
  last_error text,
  delivered_at text,
  -- When it was given up.
  failed_at text,
  constraint deliveries_key primary key (tenant_id, client_id, sid)
) strict;
create index deliveries_due on deliveries (client_id, due_at) where delivered_at is null and failed_at is null;
create index deliveries_open on deliveries (created_at) where delivered_at is null and failed_at is null;
create index deliveries_by_delivery on deliveries (delivered_at) where delivered_at is not null;
create index deliveries_by_failure on deliveries (failed_at) where failed_at is not null;

-- Sessions of a connection or of a whole tenant, which may be very many. They are over since the epoch was raised, in the transaction that
-- wrote this; a worker removes their rows, and writes what their portals are to be told.
create table endings (
  tenant_id blob not null references tenants (tenant_id),
  id blob not null primary key,
  -- Null is every session of the tenant.
  connection_id blob,
  -- The sessions from before this epoch.
  epoch integer not null,
  created_at text not null,
  constraint endings_tenant unique (tenant_id, id),
  constraint endings_connection foreign key (tenant_id, connection_id) references connections (tenant_id, id)
) strict;

create table provisioning_log (
  tenant_id blob not null,
  id blob not null,
  directory_id blob not null,
  at text not null,
  operation text not null,
  resource_type text not null,
  resource_id blob,
  status integer not null,
  scim_type text,
  detail text,
  -- Names only. The values are sealed, and there is none of a password.
  attributes text not null,
  values_sealed blob,
  coercions text not null,
  -- Ids of the rules that gave or took roles.
  rules text not null,
  request_id text,
  token_id blob,
  constraint provisioning_log_key primary key (tenant_id, id),
  constraint provisioning_log_directory foreign key (tenant_id, directory_id) references directories (tenant_id, id)
) strict;
create index provisioning_log_by_directory on provisioning_log (tenant_id, directory_id, at, id);
create index provisioning_log_refused on provisioning_log (tenant_id, directory_id, at, id) where status >= 400;

-- How a sign-in went, redacted, for the tenant's administrator. The id is the reference number on the page.
create table sign_in_traces (
  tenant_id blob not null,
  id blob not null primary key,
  connection_id blob not null,
  at text not null,
  outcome text not null,
  login_id blob,
  steps text not null,
  request_id text,
  constraint sign_in_traces_connection foreign key (tenant_id, connection_id) references connections (tenant_id, id)
) strict;
create index sign_in_traces_by_connection on sign_in_traces (tenant_id, connection_id, at, id);
create index sign_in_traces_by_age on sign_in_traces (at);

-- Marks that belong to the database as a whole, such as that it is a demo's.
create table marks (
  key text not null primary key,
  value text not null
) strict;

-- Events are append-only, whoever holds the connection.
create trigger events_not_changed before update on events begin
  select raise(abort, 'events are append-only');
end;
create trigger events_not_deleted before delete on events begin
  select raise(abort, 'events are append-only');
end;
create trigger event_seals_not_changed before update on event_seals begin
  select raise(abort, 'event_seals are append-only');
end;
create trigger event_seals_not_deleted before delete on event_seals begin
  select raise(abort, 'event_seals are append-only');
end;

-- Programs that know the schema's version 1, or later ones, can work with it. A version that takes something away from them raises this.
insert into marks (key, value) values ('serves_from', '1');

-- The operator's own tenant: who runs Vestibule, apart from every customer.
insert into tenants (tenant_id, slug, name, catalogue, reserved, state, epoch, created_at)
values (x'00000000000070008000000000000001', 'operator', 'Operator', 'operator', true, 'active', 0, '1970-01-01T00:00:00+00:00');
insert into rule_sets (tenant_id, version, updated_at)
values (x'00000000000070008000000000000001', 0, '1970-01-01T00:00:00+00:00');
