-- Whoever may replace pgbell's functions may also see and record which version is installed.
alter table pgbell.migration owner to pgbell_owner;
