//! A server that runs out of something.

use std::{path::PathBuf, process::Command, time::Duration};

use crate::support::{
    daemon::Daemon,
    database::Database,
    journal::Journal,
    server::{Server, change},
    soon,
};

/// A small disk, mounted until dropped.
struct Disk {
    at: PathBuf,
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

impl Disk {
    /// `None`, and a line that says so, where this process may not mount.
    fn mount(at: PathBuf) -> Option<Self> {
        std::fs::create_dir(&at).expect("a directory");
        let mounted = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                "size=40m,mode=0700,uid=postgres",
                "tmpfs",
            ])
            .arg(&at)
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self { at });
        }
        println!("skipped: this process may not mount a small disk");
        None
    }
}

#[tokio::test]
async fn a_full_disk_fails_writers_and_not_the_daemon_which_goes_on_when_there_is_space() {
    let server = Server::start().await;
    let Some(disk) = Disk::mount(server.postgres.directory().join("disk")) else {
        return;
    };
    // The whole database moves there: the log, and the catalogs that rotation writes to.
    let elsewhere = Database::at(&server.postgres.url("postgres")).await;
    let tablespace = format!("create tablespace small location '{}'", disk.at.display());
    elsewhere.run(&tablespace).await;
    elsewhere
        .run("alter database shop set tablespace small")
        .await;

    let database = server.database().await;
    let daemon = Daemon::with(&database, |config| {
        config.log.rotate_interval = Duration::from_millis(20);
    })
    .await;
    let mut client = daemon.client_in(&["room"]).await;
    // Its leaf gets a page.
    database.run(&change("another")).await;
    database.run("create table filler (text text)").await;
    let fill =
        "insert into filler select repeat(md5(random()::text), 50) from generate_series(1, 100)";
    fails_in_the_end(&database, fill).await;
    // What is left of the log's own pages is used up as well, and told.
    fails_in_the_end(&database, &change("room")).await;
    assert_eq!(daemon.get("/readyz").await.0, 200);

    database.run("drop table filler; checkpoint").await;
    let told = client.messages_of(&database, &change("room")).await;
    let told: u64 = told
        .iter()
        .map(|told| told["changes"][0]["count"].as_u64().unwrap_or(0))
        .sum();
    let committed = "select count(*) from pgbell.change where 'room' = any(rooms)";
    assert_eq!(told.to_string(), database.value(committed).await);
    assert!(told > 1, "nothing was written while the disk was full");
    assert!(
        !daemon
            .get("/metrics")
            .await
            .1
            .contains("database_losses_total{")
    );
    drop((database, client));
    daemon.stop().await.expect("stopped");
    elsewhere
        .run("alter database shop set tablespace pg_default")
        .await;
}

/// Repeats a statement until there is no space for it.
async fn fails_in_the_end(database: &Database, sql: &str) {
    let full = async {
        loop {
            if let Err(error) = database.client().batch_execute(sql).await {
                let code = error.code().map(|code| code.code().to_owned());
                assert_eq!(code.as_deref(), Some("53100"), "{error:?}");
                return;
            }
        }
    };
    soon("a full disk", full).await;
}

#[tokio::test]
async fn the_notification_queue_is_watched_and_warned_of_with_what_to_look_for() {
    let mut server = Server::start().await;
    let version = server
        .database()
        .await
        .value("current_setting('server_version_num')")
        .await;
    let can_be_filled = version.as_str() >= "170000";
    if can_be_filled {
        server = Server::with(&[("max_notify_queue_pages", "64")]).await;
    }
    let journal = Journal::start();
    let database = server.database().await;
    let daemon = Daemon::with(&database, |config| {
        config.database.heartbeat = Duration::from_secs(1);
    })
    .await;
    let mut client = daemon.client_in(&["room"]).await;
    let usage = "pgbell_notification_queue_usage";
    let culprit = server.database().await;
    culprit
        .run("set application_name = 'culprit'; listen anything")
        .await;
    culprit.run("begin").await;
    let pid = culprit.value("pg_backend_pid()").await;
    if !can_be_filled {
        println!("skipped: a queue of this version cannot be filled");
        let health = daemon.health().await;
        assert!(health["database"].get("warnings").is_none(), "{health}");
        return;
    }
    fill_to(&database, 0.15).await;
    let warning = "warning: notification_queue";
    let warned = async { while !daemon.get("/readyz").await.1.contains(warning) {} };
    soon("a warning", warned).await;
    let (status, text) = daemon.get("/readyz").await;
    assert_eq!(status, 200);
    assert!(
        text.contains(&format!(
            "pid {pid} (culprit, database shop, idle in transaction"
        )),
        "{text}"
    );
    assert!(daemon.number(usage).await >= 0.1);
    fill_to(&database, 0.60).await;
    let muted = async { while daemon.health().await["database"]["doorbell"] != "muted" {} };
    soon("a muted bell", muted).await;
    let full = async { while database.client().batch_execute(NOTIFY).await.is_ok() {} };
    soon("a full queue", full).await;
    // Whoever notifies fails now. Our writers do not, and are heard of all the same.
    let told = client.messages_of(&database, &change("room")).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(daemon.get("/readyz").await.0, 200);
    culprit.run("commit").await;
    let well = async { while daemon.get("/readyz").await.1 != "ok\n" {} };
    soon("the warning to be taken back", well).await;
    let queue = journal.lines("the database wants attention subject=\"notification_queue\"");
    assert_eq!(queue.len(), 1, "{queue:?}");
    let armed = async { while daemon.health().await["database"]["doorbell"] != "armed" {} };
    soon("an armed bell", armed).await;
    let told = client.messages_of(&database, &change("room")).await;
    assert_eq!(told.len(), 1, "{told:?}");
}

/// Fills about a sixtieth of the smallest queue.
const NOTIFY: &str = "select pg_notify('elsewhere', repeat('x', 7000))";

async fn fill_to(database: &Database, usage: f64) {
    let filled = format!("pg_notification_queue_usage() >= {usage}");
    let filled = async {
        while database.value(&filled).await != "true" {
            database.run(NOTIFY).await;
        }
    };
    soon("a queue that fills", filled).await;
}
