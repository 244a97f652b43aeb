//! Every parser that meets the outside, and what must hold whatever it is given: it does not panic, what it
//! takes is within bounds, and what it says about secrets is nothing.
//!
//! `tests/fuzzing.rs` gives them seeds and mutations of seeds on any toolchain; `cargo fuzz` lets coverage
//! guide the way. A target that has found something gets it as a seed.

mod access;
mod edge;
mod settings;
mod told;

/// What bytes are given to.
pub type Target = fn(&[u8]);

/// Every target by the name of its seeds.
pub const TARGETS: &[(&str, Target)] = &[
    ("bearer", edge::bearer),
    ("claims", access::claims),
    ("client_message", told::client_message),
    ("config", settings::config),
    ("cursor", told::cursor),
    ("database_url", settings::database_url),
    ("forwarded", edge::forwarded),
    ("jwks", access::jwks),
    ("log_row", told::log_row),
    ("room", told::room),
    ("room_rule", access::room_rule),
    ("signature", edge::signature),
    ("sse_query", told::sse_query),
    ("ticket", edge::ticket),
    ("token", access::token),
    ("trigger_file", settings::trigger_file),
];

/// The bytes as text, if they are any.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Gives bytes to the target of this name.
///
/// # Panics
/// When there is none, or when something does not hold.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|(found, _)| *found == name);
    let (_, target) = target.expect("a target");
    target(bytes);
}
