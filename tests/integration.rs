//! pgbell from the outside: real Postgres, real sockets, one database per test.

mod capture;
mod catalogue;
mod command;
mod doorbell;
mod floors;
mod gateway;
mod install;
mod oracle;
mod proxy;
mod resume;
mod rotation;
mod support;
mod transports;
mod writers;
