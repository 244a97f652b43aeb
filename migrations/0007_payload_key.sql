-- What only pgbell's trigger and its daemons know, so that a change inside a notification can be told from what any
-- other role may notify.

set local role pgbell_owner;

alter table pgbell.install
    add column payload_key bytea not null
        default sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'));

comment on column pgbell.install.payload_key is 'Signs changes that travel inside notifications (transport payload).';

reset role;
