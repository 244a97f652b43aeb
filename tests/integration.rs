//! pgbell from the outside: real Postgres, real sockets, one database per test.

mod capture;
mod catalogue;
mod floors;
mod gateway;
mod support;
mod transports;
mod writers;
