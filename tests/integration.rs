//! pgbell from the outside: real Postgres, real sockets, one database per test.

mod capture;
mod catalogue;
mod command;
mod database_faults;
mod doorbell;
mod failover;
mod floors;
mod gateway;
mod install;
mod limits;
mod oracle;
mod poolers;
mod proxy;
mod resume;
mod rotation;
mod shortage;
mod shutdown;
mod silence;
mod slow;
mod support;
mod transports;
mod triggers_apply;
mod triggers_check;
mod triggers_new;
mod writers;
