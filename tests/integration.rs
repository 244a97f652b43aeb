//! pgbell from the outside: real Postgres, real sockets, one database per test.

mod capture;
mod catalogue;
mod command;
mod doorbell;
mod floors;
mod gateway;
mod install;
mod limits;
mod resume;
mod rotation;
mod shutdown;
mod slow;
mod support;
mod transports;
mod writers;
