//! The book on a port of this machine.
//!
//! ```text
//!   every second: did a file change? ──▶ cargo book build, as a child
//!   GET /stage1.html ──▶ book/book/stage1.html
//! ```
//!
//! The child is compiled again first, so a change of a stage or of a figure is seen as well as
//! one of a chapter. Files are looked at and not listened to: file events get lost on network
//! file systems. Only this machine is answered.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, SystemTime};

use mdbook_driver::errors::Result;

/// The port, if none is asked for.
pub const PORT: u16 = 3030;

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// A request line longer than this is none of ours.
const LONGEST_REQUEST_BYTES: u64 = 8 << 10;

/// Builds the book of `repository`, and answers on `port` for ever.
///
/// # Errors
/// When the port is taken.
pub fn serve(repository: &Path, port: u16) -> Result<ExitCode> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    build();
    println!("The book is at http://{}/ until you press Ctrl-C.", listener.local_addr()?);
    let (watched, pages) = (repository.to_path_buf(), repository.join("book/book"));
    thread::spawn(move || rebuild_on_change(&watched));
    for stream in listener.incoming() {
        let pages = pages.clone();
        // A browser that hangs up is no concern of the others.
        thread::spawn(move || stream.and_then(|stream| answer(&stream, &pages)));
    }
    Ok(ExitCode::SUCCESS)
}

fn build() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo).args(["run", "--quiet", "--package", "book", "--", "build"]).status();
    if !built.is_ok_and(|status| status.success()) {
        eprintln!("The book did not build; the pages are those of before.");
    }
}

fn rebuild_on_change(repository: &Path) {
    let mut seen = newest(repository);
    loop {
        thread::sleep(LOOK);
        let now = newest(repository);
        if now != seen {
            seen = now;
            println!("Something changed.");
            build();
        }
    }
}

/// When the newest of the files that the book is made of was changed, and how many there are.
fn newest(repository: &Path) -> (Option<SystemTime>, usize) {
    let folders = fs::read_dir(repository).into_iter().flatten().flatten().map(|entry| entry.path());
    let stages = folders
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("stage")));
    let own =
        ["chapters", "outputs", "src", "theme", "book.toml"].map(|name| repository.join("book").join(name));
    let times: Vec<SystemTime> =
        stages.map(|stage| stage.join("src")).chain(own).flat_map(|path| changes(&path)).collect();
    (times.iter().max().copied(), times.len())
}

fn changes(path: &Path) -> Vec<SystemTime> {
    match fs::read_dir(path) {
        Ok(entries) => entries.flatten().flat_map(|entry| changes(&entry.path())).collect(),
        Err(_) => fs::metadata(path).and_then(|data| data.modified()).into_iter().collect(),
    }
}

fn answer(mut stream: &TcpStream, pages: &Path) -> std::io::Result<()> {
    let mut request = String::new();
    BufReader::new(stream.take(LONGEST_REQUEST_BYTES)).read_line(&mut request)?;
    let file = wanted(&request).map(|path| pages.join(path));
    let (status, kind, body) = match file.and_then(|file| Some((kind(&file), fs::read(file).ok()?))) {
        Some((kind, body)) => ("200 OK", kind, body),
        None => ("404 Not Found", "text/plain; charset=utf-8", b"There is no such page.\n".to_vec()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}

/// The file that a request asks for, below the folder of the pages; `None` for anything that
/// could lead out of it.
fn wanted(request: &str) -> Option<PathBuf> {
    let address = request.strip_prefix("GET /")?.split(' ').next()?;
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let path =
        if path.is_empty() || path.ends_with('/') { format!("{path}index.html") } else { path.to_owned() };
    let is_plain =
        path.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains('\\'));
    is_plain.then(|| PathBuf::from(path))
}

fn kind(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_request_leads_out_of_the_pages() {
        assert_eq!(wanted("GET / HTTP/1.1"), Some("index.html".into()));
        assert_eq!(wanted("GET /css/general.css?v=1 HTTP/1.1"), Some("css/general.css".into()));
        for request in [
            "GET /../book.toml HTTP/1.1",
            "GET //etc/passwd HTTP/1.1",
            "GET /a/../../b HTTP/1.1",
            "POST / HTTP/1.1",
            "",
        ] {
            assert_eq!(wanted(request), None, "{request}");
        }
    }

    #[test]
    fn a_page_is_answered_and_a_missing_one_is_said_to_be_missing() {
        let pages = tempfile::tempdir().unwrap();
        fs::write(pages.path().join("index.html"), "<p>One</p>").unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = |path: &str| {
            let mut stream = TcpStream::connect(address).unwrap();
            write!(stream, "GET {path} HTTP/1.1\r\n\r\n").unwrap();
            let (served, _) = listener.accept().unwrap();
            answer(&served, pages.path()).unwrap();
            drop(served);
            let mut text = String::new();
            // What was sent and not read makes the end of a connection abrupt.
            let _ = stream.read_to_string(&mut text);
            text
        };
        assert!(asked("/").ends_with("<p>One</p>"));
        assert!(asked("/two.html").starts_with("HTTP/1.1 404"));
    }
}
