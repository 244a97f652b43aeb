-- Changes that time makes: a sale that starts at 18:00 changes no row at 18:00.

set local role pgbell_owner;

-- Triggers say here what will happen and when; pgbell.fire_due() moves what is due into the log.
create table pgbell.schedule (
    entity text,
    id     text,
    what   text,
    due_at timestamptz,
    events text[],
    rooms  text[],
    old    jsonb,
    new    jsonb,
    primary key (entity, id, what)
);

create index schedule_due_at on pgbell.schedule (due_at);

comment on table pgbell.schedule is 'Changes that will happen by themselves. Kept by triggers, emptied by pgbell.fire_due().';
comment on column pgbell.schedule.what is 'Tells the moments of one entity apart: start, end.';
comment on column pgbell.schedule.due_at is 'When the change happens.';

grant select on pgbell.schedule to pgbell_daemon;

reset role;
