//! Starter files for odd tables: they apply, fail no write, and tell what was written.

use pgbell::{
    catalogue::{Catalogue, Config},
    install::{
        Error, SqlFile,
        triggers::{self, Against, Code, Problem, StarterOptions},
    },
};

use crate::support::database::{Database, sql_file};

/// What has been logged since the last look, in an order of its own.
const LOGGED: &str =
    "select coalesce(string_agg(line, e'\n' order by line collate \"C\"), '') from (
    select concat_ws(' ', entity, id, op, array_to_string(events, ','), array_to_string(rooms, ','),
                     old, new) as line
      from pgbell.change) as logged";

struct Table {
    database: Database,
    file: String,
}

impl Table {
    async fn new(name: &str, sql: &str) -> Self {
        Self::with(name, sql, StarterOptions::default()).await
    }

    async fn with(name: &str, sql: &str, options: StarterOptions) -> Self {
        let database = Database::installed(sql).await;
        let text = triggers::new_file(&database.url, name, &options, &Catalogue::default()).await;
        let table = Self {
            file: text.unwrap_or_else(|error| panic!("{name}: {error}")),
            database,
        };
        table.apply().await;
        table
    }

    /// Applies the file, of which a check has nothing to say before or after.
    async fn apply(&self) {
        let files = [sql_file("starter.sql", &self.file)];
        let codes: Vec<_> = self
            .check(&files)
            .await
            .iter()
            .map(|problem| problem.code)
            .collect();
        assert_eq!(codes, [Code::NotApplied], "{}", self.file);
        let applied = triggers::apply(&self.database.url, &files).await;
        applied.unwrap_or_else(|error| panic!("{error}\n{}", self.file));
        assert_eq!(self.check(&files).await, [], "{}", self.file);
    }

    async fn check(&self, files: &[SqlFile]) -> Vec<Problem> {
        let every = || vec!["*".parse().expect("a pattern")];
        let catalogue = Catalogue::new(&Config {
            events: every(),
            rooms: every(),
        });
        let url = Some(self.database.url.as_str());
        let against = Against {
            url,
            catalogue: &catalogue,
            everything: false,
        };
        let report = triggers::check(files, against)
            .await
            .unwrap_or_else(|error| panic!("{error}\n{}", self.file));
        let mut problems = report.problems;
        problems.retain(|problem| problem.code != Code::InvalidRoom);
        problems
    }

    /// Runs statements and compares what they logged, line by line.
    async fn logs(&self, sql: &str, lines: &str) {
        self.database.run("delete from pgbell.change").await;
        self.database.run(sql).await;
        let logged = self.database.value(LOGGED).await;
        let expected: Vec<_> = lines
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        assert_eq!(logged, expected.join("\n"), "{sql}\n{}", self.file);
    }

    #[track_caller]
    fn says(&self, words: &str) {
        assert!(self.file.contains(words), "no {words:?} in:\n{}", self.file);
    }
}

#[tokio::test]
async fn each_group_of_columns_has_an_event_and_each_foreign_key_a_room() {
    let table = Table::new(
        "film",
        "create table language (language_id int primary key, name text);
         create table film (film_id serial primary key, title varchar(255) not null, description text,
                            language_id int not null references language,
                            original_language_id int references language, rental_rate numeric(4, 2),
                            status text, store_id int, special_features text[], email text,
                            last_update timestamptz not null default now());
         insert into language values (1, 'English'), (2, 'Italian')",
    )
    .await;
    table
        .logs(
            "insert into film (title, language_id, rental_rate, status, email) values ('A', 1, 2.50, 'new', 'a@b')",
            r#"film 1 insert film:created film:1,language:1 {"title": "A", "status": "new", "rental_rate": 2.50}"#,
        )
        .await;
    table
        .logs(
            "update film set last_update = now(), title = title; update film set rental_rate = 3, status = 'old'",
            r#"film 1 update film:price_changed film:1,language:1 {"rental_rate": 2.50} {"rental_rate": 3.00}
               film 1 update film:status_changed film:1,language:1 {"status": "new"} {"status": "old"}"#,
        )
        .await;
    table
        .logs(
            "update film set language_id = 2, original_language_id = 1, description = 'long', email = 'c@d'",
            r#"film 1 update film:updated film:1,language:2,language:1,language:1 {"title": "A", "store_id": null, "language_id": 1, "original_language_id": null} {"title": "A", "store_id": null, "language_id": 2, "original_language_id": 1}"#,
        )
        .await;
    table
        .logs(
            "update film set film_id = 7",
            r#"film 1 delete film:deleted film:1,language:2,language:1
               film 7 insert film:created film:7,language:2,language:1 {"title": "A", "status": "old", "rental_rate": 3.00}"#,
        )
        .await;
    table
        .logs(
            "delete from film",
            "film 7 delete film:deleted film:7,language:2,language:1",
        )
        .await;
    table
        .logs(
            "truncate film",
            "film * delete film:deleted film:*,language:*",
        )
        .await;
    table.says("last_update");
    table.says("description (text that may be long)");
    table.says("email (personal or secret)");
    table.says("'store:' || store_id");
    table.says("events = [\"film:*\"]");
}

#[tokio::test]
async fn very_many_rows_become_one() {
    let table = Table::new(
        "items",
        "create table items (id int primary key, a int, b int)",
    )
    .await;
    let many = "set pgbell.bulk_limit = 10; insert into items select n, n, n from generate_series(1, 11) as n";
    table.logs(many, "item * insert item:created item:*").await;
    table
        .logs(
            "update items set a = a + 1",
            "item * update item:updated item:*",
        )
        .await;
    table
        .logs(
            "update items set id = id + 100",
            "item * update item:updated item:*",
        )
        .await;
    table.logs("update items set a = a", "").await;
    table
        .logs(
            "update items set a = case id when 101 then 7 else a end",
            r#"item 101 update item:updated item:101 {"a": 2, "b": 1} {"a": 7, "b": 1}"#,
        )
        .await;
    table
        .logs("delete from items", "item * delete item:deleted item:*")
        .await;
    table
        .logs(
            "set pgbell.enabled = off; insert into items values (1, 1, 1); reset pgbell.enabled",
            "",
        )
        .await;
}

#[tokio::test]
async fn a_composite_key_is_joined_and_rooms_follow_the_other_tables_key() {
    let table = Table::new(
        "seat_bookings",
        "create table seats (hall int, seat text, primary key (hall, seat));
         create table seat_bookings (day date, hall int, seat text, who uuid, paid bool,
                                     primary key (day, seat, hall),
                                     foreign key (seat, hall) references seats (seat, hall));
         insert into seats values (1, 'A'), (2, 'B')",
    )
    .await;
    table
        .logs(
            "insert into seat_bookings (day, hall, seat) values ('2026-01-02', 1, 'A')",
            "seat_booking 2026-01-02:A:1 insert seat_booking:created seat_booking:2026-01-02:A:1,seat:1:A",
        )
        .await;
    table
        .logs(
            "update seat_bookings set hall = 2, seat = 'B'",
            "seat_booking 2026-01-02:A:1 delete seat_booking:deleted seat_booking:2026-01-02:A:1,seat:1:A,seat:1:A
             seat_booking 2026-01-02:B:2 insert seat_booking:created seat_booking:2026-01-02:B:2,seat:2:B",
        )
        .await;
    table
        .logs(
            "update seat_bookings set paid = true",
            r#"seat_booking 2026-01-02:B:2 update seat_booking:updated seat_booking:2026-01-02:B:2,seat:2:B {"who": null, "paid": null} {"who": null, "paid": true}"#,
        )
        .await;
}

#[tokio::test]
async fn odd_names_and_types_are_quoted_and_compared_as_they_must_be() {
    let table = Table::new(
        r#"My "Schema".Order Items"#,
        r#"create schema "My ""Schema""";
           create type "My ""Schema""".mood as enum ('sad', 'glad');
           create domain "My ""Schema""".euro as numeric(10, 2);
           create domain public.doc as json;
           create table "My ""Schema"""."Order Items" (
               "Id" uuid primary key, "select" int, "unitPrice" "My ""Schema""".euro, "a$$b" text,
               mood "My ""Schema""".mood, doc public.doc, place point, tags text[], r int4range,
               old int, new int, found int, n int, o int, op text, "line
break" xml,
               "both" int generated always as ("select" + 1) stored)"#,
    )
    .await;
    let name = r#""My ""Schema"""."Order Items""#;
    let id = "00000000-0000-0000-0000-000000000001";
    table
        .logs(
            &format!("insert into {name} (\"Id\", doc, place, \"line\nbreak\") values ('{id}', '{{}}', '(1,2)', '<a/>')"),
            &format!(r#"order_item {id} insert order_item:created order_item:{id} {{"unitPrice": null}}"#),
        )
        .await;
    table
        .logs(
            &format!("update {name} set doc = doc, place = place, tags = tags, r = r"),
            "",
        )
        .await;
    for change in [
        "doc = '[]'",
        "place = '(2,1)'",
        "tags = '{a}'",
        "mood = 'glad'",
        "\"a$$b\" = 'x'",
        "found = 1",
    ] {
        table.database.run("delete from pgbell.change").await;
        table
            .database
            .run(&format!("update {name} set {change}"))
            .await;
        assert_eq!(
            table
                .database
                .value("select string_agg(events::text, ' ') from pgbell.change")
                .await,
            "{order_item:updated}"
        );
    }
    table
        .logs(
            &format!("update {name} set \"unitPrice\" = 3"),
            &format!(r#"order_item {id} update order_item:price_changed order_item:{id} {{"unitPrice": null}} {{"unitPrice": 3.00}}"#),
        )
        .await;
}

#[tokio::test]
async fn any_key_names_a_row() {
    for (kind, value, id) in [
        ("text", "'a b'", "a b"),
        ("bytea", "'\\xff'", "ff"),
        (
            "timestamptz",
            "'2026-01-02 03:04:05+00'",
            "2026-01-02T03:04:05.000000",
        ),
        ("date", "'2026-01-02'", "2026-01-02"),
        ("color", "'red'", "red"),
        ("even", "2", "2"),
        ("jsonb", "'{}'", "{}"),
        ("int4range", "'[1,2)'", "[1,2)"),
        ("other.tag", "'x'", "x"),
        ("point_of_two", "'(1,2)'", "(1,2)"),
    ] {
        let table = Table::new(
            "things",
            &format!(
                "create schema other; create type public.color as enum ('red'); create domain even as int;
                 create domain other.tag as text; create type point_of_two as (a int, b int);
                 create table things (key {kind} primary key, name text)"
            ),
        )
        .await;
        let insert =
            format!("set timezone = 'Asia/Tokyo'; insert into things values ({value}, 'x')");
        table
            .logs(
                &insert,
                &format!("thing {id} insert thing:created thing:{id} {{\"name\": \"x\"}}"),
            )
            .await;
        table
            .logs(
                "update things set name = 'y'",
                &format!("thing {id} update thing:updated thing:{id} {{\"name\": \"x\"}} {{\"name\": \"y\"}}"),
            )
            .await;
    }
}

#[tokio::test]
async fn long_names_and_namesakes_have_functions_of_their_own() {
    let long = format!("{}s", "x".repeat(62));
    let table = Table::new(&long, &format!("create table {long} (id int primary key)")).await;
    let entity = "x".repeat(62);
    table
        .logs(
            &format!("insert into {long} values (1)"),
            &format!("{entity} 1 insert {entity}:created {entity}:1"),
        )
        .await;
    table.database.run("create schema a; create table a.b (id int primary key); create table a_b (id int primary key)").await;
    for name in ["a.b", "a_b"] {
        let options = StarterOptions::default();
        let text =
            triggers::new_file(&table.database.url, name, &options, &Catalogue::default()).await;
        Table {
            database: table.database.session().await,
            file: text.expect("a file"),
        }
        .apply()
        .await;
    }
    table
        .logs("insert into a.b values (1)", "b 1 insert b:created b:1")
        .await;
    table
        .logs(
            "insert into a_b values (2)",
            "a_b 2 insert a_b:created a_b:2",
        )
        .await;
}

#[tokio::test]
async fn a_partitioned_table_and_one_of_keys_alone_are_watched() {
    let table = Table::new(
        "stays",
        "create table guests (id int primary key); insert into guests values (1);
         create table stays (guest_id int references guests, night date, primary key (guest_id, night))
             partition by range (night);
         create table stays_2026 partition of stays for values from ('2026-01-01') to ('2027-01-01')",
    )
    .await;
    table.says("partition");
    table
        .logs(
            "insert into stays values (1, '2026-05-05')",
            "stay 1:2026-05-05 insert stay:created stay:1:2026-05-05,guest:1",
        )
        .await;
    table
        .logs(
            "delete from stays",
            "stay 1:2026-05-05 delete stay:deleted stay:1:2026-05-05,guest:1",
        )
        .await;
}

#[tokio::test]
async fn what_replication_writes_is_told_row_by_row() {
    let options = StarterOptions {
        row_level: true,
        ..StarterOptions::default()
    };
    let table = Table::with(
        "films",
        "create table films (id int primary key, title text, price numeric, updated_at timestamptz)",
        options,
    )
    .await;
    let apply = "set session_replication_role = replica";
    table
        .logs("insert into films values (9, 'here', 1)", "")
        .await;
    table
        .logs(
            &format!("{apply}; insert into films values (1, 'A', 2), (2, 'B', 3)"),
            r#"film 1 insert film:created film:1 {"price": 2, "title": "A"}
               film 2 insert film:created film:2 {"price": 3, "title": "B"}"#,
        )
        .await;
    table
        .logs(
            "update films set price = 4, updated_at = now() where id = 1; update films set updated_at = now()",
            r#"film 1 update film:price_changed film:1 {"price": 2} {"price": 4}"#,
        )
        .await;
    table
        .logs(
            "update films set id = 3 where id = 2; delete from films where id = 1",
            r#"film 1 delete film:deleted film:1
               film 2 delete film:deleted film:2
               film 3 insert film:created film:3 {"price": 3, "title": "B"}"#,
        )
        .await;
    table
        .logs("truncate films", "film * delete film:deleted film:*")
        .await;
}

#[tokio::test]
async fn names_of_the_catalogue_are_used_where_it_has_the_module() {
    let table = Table::new(
        "products",
        "create table products (id int primary key, status text, price int, quantity int)",
    )
    .await;
    table
        .logs(
            "insert into products values (1, 'a', 1, 1); delete from pgbell.change;
             update products set status = 'b', price = 2, quantity = 2",
            r#"product 1 update product:availability_changed product:1 {"status": "a"} {"status": "b"}
               product 1 update product:price_changed product:1 {"price": 1} {"price": 2}
               product 1 update product:stock_changed product:1 {"quantity": 1} {"quantity": 2}"#,
        )
        .await;
    assert!(!table.file.contains("[catalogue]"), "{}", table.file);
}

#[tokio::test]
async fn what_cannot_be_watched_is_refused_in_clear_words() {
    let database = Database::empty().await;
    database
        .run(
            "create table keyless (a int); create view seen as select 1 as a;
             create table whole (id int primary key) partition by range (id);
             create table part partition of whole for values from (1) to (9)",
        )
        .await;
    let refusal = async |name: &str| {
        let options = StarterOptions::default();
        let made = triggers::new_file(&database.url, name, &options, &Catalogue::default()).await;
        made.expect_err(name).to_string()
    };
    assert!(
        refusal("keyless")
            .await
            .starts_with("public.keyless has no primary key, ")
    );
    assert!(refusal("seen").await.contains("is a view"));
    assert!(refusal("part").await.contains("is a partition of whole"));
    assert_eq!(
        refusal("keyles").await,
        "there is no table keyles; did you mean keyless?"
    );
    let options = StarterOptions {
        entity: Some("a b".into()),
        ..StarterOptions::default()
    };
    let made = triggers::new_file(&database.url, "whole", &options, &Catalogue::default()).await;
    assert!(matches!(made, Err(Error::UnfitEntity { .. })));
}
