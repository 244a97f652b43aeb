//! What apply refuses, and how it says so.

use pgbell::install::Error;

use super::*;

async fn refusal(database: &Database, file: &SqlFile) -> String {
    let files = std::slice::from_ref(file);
    let refused = soon("apply", triggers::apply(&database.url, files)).await;
    refused.expect_err("refused").to_string()
}

#[tokio::test]
async fn a_misspelt_column_is_refused_with_its_line_before_it_fails_a_write() {
    let database = Database::new().await;
    database.run(include_str!("../support/shop.sql")).await;
    let before = versions(&database).await;
    let cases = [
        (
            "o.price is distinct from n.price",
            "o.price is distinct from n.prize",
            "prize",
        ),
        ("from old_rows;\n", "from older_rows;\n", "older_rows"),
    ];
    for (from, to, word) in cases {
        let file = edited("products", from, to);
        let refused = refusal(&database, &file).await;
        assert!(
            refused.contains(&format!("products.sql:{}", line_of(&file, to))),
            "{refused}"
        );
        assert!(
            refused.contains(word) && refused.contains("nothing was changed"),
            "{refused}"
        );
    }
    assert_eq!(before, versions(&database).await);
    database
        .run("update products set price = price + 1; delete from products")
        .await;
}

fn line_of(file: &SqlFile, words: &str) -> usize {
    let (before, _) = file.text().split_once(words).expect("the words");
    before.lines().count()
}

#[tokio::test]
async fn a_branch_for_many_rows_is_tried_too_and_on_empty_tables() {
    let database = Database::new().await;
    let file = edited("products", "having count(*) >", "having count(o.prize) >");
    let refused = refusal(&database, &file).await;
    let line = line_of(&file, "having count(o.prize)");
    assert!(
        refused.contains(&format!("products.sql:{line}: column o.prize")),
        "{refused}"
    );
    assert!(
        refused.contains("columns of public.products: id, store_id"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_file_that_ends_the_transaction_is_refused_before_anything_is_run() {
    let database = Database::new().await;
    database.run("create table note (id int)").await;
    let refused = triggers::apply(&database.url, &[notes("\ncommit;\n")])
        .await
        .expect_err("refused");
    assert!(
        matches!(&refused, Error::EndsTransaction { at } if at.ends_with("note.sql:23")),
        "{refused}"
    );
    assert_eq!(
        database
            .value("select count(*) from pg_proc where proname = 'note_written'")
            .await,
        "0"
    );
}
