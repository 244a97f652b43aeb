use std::{fs, path::Path};

use super::{Settings, Shop};

fn built(folder: &Path) {
    fs::create_dir_all(folder.join("assets")).expect("a folder");
    let files = [
        ("index.html", "<!doctype html><title>shop</title>"),
        ("icon.svg", "<svg/>"),
        ("assets/app-1a2b.js", "export {}"),
        ("assets/app-1a2b.css", "body {}"),
    ];
    for (name, content) in files {
        fs::write(folder.join(name), content).expect("a file");
    }
}

#[tokio::test]
async fn the_page_is_served_as_soon_as_it_is_built() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("secret"), "hush").expect("a file");
    let folder = directory.path().join("dist");
    let settings = Settings {
        folder: Some(folder.clone()),
        ..Settings::default()
    };
    let shop = Shop::with(settings, 0.0).await;
    let unbuilt = shop.get("/").await;
    assert_eq!(unbuilt.status, 404);
    assert!(unbuilt.body.contains("npm") && unbuilt.header("content-type").contains("html"));

    built(&folder);
    const HTML: &str = "text/html; charset=utf-8";
    for (path, kind, kept) in [
        ("/", "text/html", false),
        ("/product/42", HTML, false),
        ("/icon.svg", "image/svg+xml", false),
        ("/assets/app-1a2b.js", "text/javascript", true),
        ("/assets/app-1a2b.css", "text/css", true),
    ] {
        let answer = shop.get(path).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, kind),
            "{path}"
        );
        assert_eq!(
            answer.header("cache-control").contains("immutable"),
            kept,
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let policy = answer.header("content-security-policy");
        let daemon = format!("connect-src 'self' ws://*:{} ", shop.daemon.port());
        assert!(policy.contains(&daemon), "{policy}");
    }
    // A script that is gone is no page, and nothing outside of the folder is there.
    assert_eq!(shop.get("/assets/app-gone.js").await.status, 404);
    for path in [
        "/../secret",
        "/%2e%2e/secret",
        "/assets/..%2f..%2fsecret",
        "/..%5csecret",
    ] {
        let answer = shop.get(path).await;
        assert!(!answer.body.contains("hush"), "{path}");
    }
}
