-- Moments that come again and again, and moments that make themselves known.

set local role pgbell_owner;

-- A moment that is written without a change would not be known before the daemon reads by itself. Like a change it
-- rings by a default, which is evaluated only for rows that are really there. Where changes travel inside
-- notifications the bell is muted, with 2 instead of 1: nobody polls there, so moments ring all the same.
alter table pgbell.schedule
    add column every interval,
    add column rang  boolean,
    alter column rang set default case
               when pg_current_xact_id() is null then null
               when pg_sequence_last_value('pgbell.doorbell') = 1 then null
               when lower(coalesce(current_setting('pgbell.ring', true), '')) in ('off', 'false', 'no', '0') then null
               else pg_notify('pgbell', '') is not null
           end;

comment on column pgbell.schedule.every is 'Time until it happens again. Null, or not positive: once.';
comment on column pgbell.schedule.rang is 'Whether this row rang the doorbell; null while it is muted.';
comment on sequence pgbell.doorbell
    is 'Whether writers must NOTIFY: not called = armed; called = muted, with 2 for changes only, not for moments.';

reset role;
