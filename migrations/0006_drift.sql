-- What was applied, so that what has become of it can be told.

set local role pgbell_owner;

-- Kept by pgbell.note_applied(), compared with the catalogue by pgbell.drift(). By name, because object ids do not
-- survive a dump; the id only tells a table that was renamed.
create table pgbell.applied_trigger (
    schema_name       text,
    table_name        text,
    trigger_name      text,
    table_id          oid not null,
    is_part           boolean not null,
    definition        text not null,
    state             "char" not null,
    function_name     text not null,
    function_source   text not null,
    function_definer  boolean not null,
    function_path     text,
    function_owner    text not null,
    function_callers  text not null,
    noted_at          timestamptz not null default now(),
    primary key (schema_name, table_name, trigger_name)
);

comment on table pgbell.applied_trigger is 'The triggers as they were when they were applied. Only pgbell.note_applied() writes here.';
comment on column pgbell.applied_trigger.is_part is 'Whether the table is a partition or child of one with the same function.';
comment on column pgbell.applied_trigger.definition is 'A digest of the trigger without its function''s body.';
comment on column pgbell.applied_trigger.state is 'As pg_trigger.tgenabled: O origin, D disabled, R replica, A always.';
comment on column pgbell.applied_trigger.function_source is 'A digest of the body of the function and how it is run.';
comment on column pgbell.applied_trigger.function_definer is 'Whether the function is security definer.';
comment on column pgbell.applied_trigger.function_path is 'The search_path that the function pins.';
comment on column pgbell.applied_trigger.function_callers is 'Who may execute the function.';

-- Of the tables with triggers, and of those that their functions name.
create table pgbell.applied_column (
    schema_name text,
    table_name  text,
    column_name text,
    table_id    oid not null,
    number      smallint not null,
    type_name   text not null,
    primary key (schema_name, table_name, column_name)
);

comment on table pgbell.applied_column is 'The columns that trigger functions were written for. Only pgbell.note_applied() writes here.';

-- Moved by an event trigger, where there is one. A sequence, because moving it is not transactional, conflicts with
-- nobody and writes next to nothing: it may move for DDL that is rolled back, and moves before DDL commits.
create sequence pgbell.ddl;

comment on sequence pgbell.ddl is 'Moves with each DDL statement that may concern a watched table, so that daemons look.';

grant select on sequence pgbell.ddl to pgbell_daemon;

reset role;
