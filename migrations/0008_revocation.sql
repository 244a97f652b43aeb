-- Who was revoked, for daemons that start, or that have missed a part of the log.

set local role pgbell_owner;

-- Rows are only inserted: whoever revokes waits for nobody else who does, in whichever order either names users. What
-- counts for a user is the latest row; pgbell.forget_revocations() takes the others away.
create table pgbell.revocation (
    subject text not null,
    at      timestamptz not null
);

create index revocation_subject_at on pgbell.revocation (subject, at);
create index revocation_at on pgbell.revocation (at);

comment on table pgbell.revocation is 'Whose tokens are refused. Only pgbell.revoke() writes here, and pgbell.forget_revocations() deletes.';
comment on column pgbell.revocation.subject is 'The user: sub of the tokens.';
comment on column pgbell.revocation.at is 'Tokens that were made until then are refused.';

grant select on pgbell.revocation to pgbell_daemon;

reset role;
