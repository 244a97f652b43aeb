//! The words by which columns and types are recognised.

pub(super) const STATUS: &[&str] = &[
    "status",
    "state",
    "stage",
    "phase",
    "active",
    "enabled",
    "published",
    "available",
    "archived",
    "visible",
    "hidden",
];
pub(super) const PRICE: &[&str] = &["price", "prices", "cost", "rate", "fee", "fees", "discount"];
/// What was paid or is owed has no price.
pub(super) const AMOUNT: &[&str] = &["amount", "total", "subtotal", "balance"];
pub(super) const STOCK: &[&str] = &["quantity", "qty", "stock", "reserved", "inventory"];
pub(super) const NUMBERS: &[&str] = &[
    "int2", "int4", "int8", "numeric", "float4", "float8", "money",
];
pub(super) const MOMENTS: &[&str] = &[
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "interval",
];
pub(super) const STRINGS: &[&str] = &["text", "varchar", "bpchar", "name"];

/// Strings of these names are short wherever they have no bound.
pub(super) const SHORT: &[&str] = &[
    "name", "title", "label", "code", "sku", "slug", "number", "currency", "kind", "type",
    "status", "state", "stage", "phase",
];

/// What is nobody's business, by a word of the column's name or a part of it.
pub(super) const PRIVATE: &[&str] = &[
    "pwd",
    "pass",
    "pin",
    "mail",
    "phone",
    "mobile",
    "fax",
    "ssn",
    "iban",
    "bic",
    "card",
    "cvv",
    "birth",
    "birthday",
    "birthdate",
    "dob",
    "salt",
    "hash",
    "digest",
    "key",
    "otp",
    "ip",
    "address",
    "street",
    "passport",
    "surname",
    "signature",
    "credential",
    "credentials",
];
pub(super) const PRIVATE_PARTS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "email",
    "apikey",
    "firstname",
    "lastname",
    "first_name",
    "last_name",
    "full_name",
    "middle_name",
];

/// Columns that change whenever anything does, and then tell nobody anything.
pub(super) const VOLATILE: &[&str] = &[
    "updated",
    "modified",
    "changed",
    "updated_at",
    "updated_on",
    "modified_at",
    "modified_on",
    "changed_at",
    "changed_on",
    "last_update",
    "last_updated",
    "last_updated_at",
    "last_modified",
    "last_modified_at",
    "date_updated",
    "date_modified",
    "updated_by",
    "modified_by",
    "mtime",
    "row_version",
    "rowversion",
    "lock_version",
    "last_seen",
    "last_seen_at",
    "last_login",
    "last_login_at",
    "last_activity",
    "last_activity_at",
    "views",
    "view_count",
    "hits",
];
