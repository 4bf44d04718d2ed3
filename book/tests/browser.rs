//! Every page in a real browser.
//!
//! ```text
//!   for each page · light and dark · 360 and 1,280 px wide:
//!     no error on the console · nothing asked for outside the book · no scrolling sideways
//! ```
//!
//! It needs Chromium; where there is none it says *skipped*, and never that it passed. The
//! pages are opened from `file://`, so the network takes no part. It is driven by the DevTools
//! protocol over a pipe: JSON between zero bytes, on descriptors 3 and 4, which a shell makes of
//! its standard input and output.
//!
//! With `BOOK_SCREENSHOTS=DIR` each page is also kept as a picture there.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
const WIDTHS: [u32; 2] = [360, 1_280];
const THEMES: [&str; 2] = ["light", "dark"];

/// How far the page reaches to the right. mdBook's own style hides what is too wide, so its parts are
/// asked, all but those that scroll in a box of their own.
const MEASURE: &str = r"new Promise(done => requestAnimationFrame(() => setTimeout(() => {
    const main = document.querySelector('main');
    const scrolls = (element) => {
        for (let box = element.parentElement; box && box !== main.parentElement; box = box.parentElement)
            if (/auto|scroll|hidden/.test(getComputedStyle(box).overflowX)) return true;
        return false;
    };
    let width = document.documentElement.scrollWidth;
    for (const element of main ? main.querySelectorAll('*') : [])
        if (element.getBoundingClientRect().right > width && !scrolls(element))
            width = Math.ceil(element.getBoundingClientRect().right);
    done({ width, classes: document.documentElement.className });
}, 20)))";

fn main() -> ExitCode {
    // `cargo test -- --list` and filters are for the harness that this test does without.
    if std::env::args().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let Some(browser) = browser() else {
        println!("browser: skipped, because no Chromium is installed");
        return ExitCode::SUCCESS;
    };
    match look_at_all(&browser) {
        Ok(Tally { pages, views, wrong }) if wrong.is_empty() => {
            println!("browser: {pages} pages, {views} views, nothing wrong");
            ExitCode::SUCCESS
        }
        Ok(Tally { wrong, .. }) => {
            wrong.iter().for_each(|what| println!("browser: {what}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("browser: failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let found = |name: &&str| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file());
    BROWSERS.iter().find_map(found)
}

/// What was looked at, and what is wrong.
#[derive(Default)]
struct Tally {
    pages: usize,
    views: usize,
    wrong: Vec<String>,
}

fn look_at_all(browser: &Path) -> Result<Tally> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir()?;
    let rendered = folder.path().join("pages");
    let book = book::render::render_into(root, &rendered)?;
    let began = Instant::now();
    let mut browser = Browser::start(browser, &folder.path().join("profile"))?;
    let mut tally = Tally::default();
    let mut pages: Vec<PathBuf> = book::render::pages(&book).into_iter().map(|page| page.html).collect();
    pages.sort();
    pages.dedup();
    for page in pages {
        tally.pages += 1;
        for theme in THEMES {
            for width in WIDTHS {
                tally.views += 1;
                let view = browser.view(&rendered.join(&page), theme, width)?;
                let wrong = view.wrong(width, &rendered);
                tally.wrong.extend(
                    wrong.into_iter().map(|what| format!("{}, {theme}, {width} px: {what}", page.display())),
                );
                if let Some(folder) = std::env::var_os("BOOK_SCREENSHOTS") {
                    let name = format!("{}-{theme}-{width}.png", page.with_extension("").display())
                        .replace('/', "-");
                    browser.screenshot(&Path::new(&folder).join(name))?;
                }
            }
        }
    }
    println!("browser: looked for {:.1} s", began.elapsed().as_secs_f32());
    browser.end()?;
    Ok(tally)
}

/// What a page did when it was shown.
struct View {
    /// How wide it wants to be.
    width: u64,
    errors: Vec<String>,
    requests: Vec<String>,
    /// The theme that mdBook chose.
    classes: String,
    theme: &'static str,
}

impl View {
    fn wrong(self, width: u32, rendered: &Path) -> Vec<String> {
        let mut wrong: Vec<String> =
            self.errors.into_iter().map(|error| format!("on the console: {error}")).collect();
        let inside = format!("file://{}", rendered.display());
        let outside = self
            .requests
            .into_iter()
            .filter(|address| !address.starts_with(&inside) && !address.starts_with("data:"));
        wrong.extend(outside.map(|address| format!("asked for {address}")));
        if self.width > u64::from(width) {
            wrong.push(format!("scrolls sideways: {} px", self.width));
        }
        let wanted = if self.theme == "dark" { "navy" } else { "light" };
        if !self.classes.split(' ').any(|class| class == wanted) {
            wrong.push(format!("shown in another theme: {}", self.classes));
        }
        wrong
    }
}

/// A browser without a window, and one page in it.
struct Browser {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    session: Option<String>,
    next_id: u64,
    events: VecDeque<Value>,
}

impl Browser {
    fn start(program: &Path, profile: &Path) -> Result<Browser> {
        let mut child = Command::new("sh")
            .arg("-c")
            .arg("exec 3<&0 4>&1 </dev/null >/dev/null 2>&1; exec \"$@\"")
            .arg("sh")
            .arg(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let commands = child.stdin.take().ok_or("the browser has no input")?;
        let answers = BufReader::new(child.stdout.take().ok_or("the browser has no output")?);
        let mut browser =
            Browser { child, commands, answers, session: None, next_id: 0, events: VecDeque::new() };
        let target = browser.ask("Target.createTarget", &json!({ "url": "about:blank" }))?;
        let attached = browser
            .ask("Target.attachToTarget", &json!({ "targetId": target["targetId"], "flatten": true }))?;
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable", "Network.enable"] {
            browser.ask(domain, &json!({}))?;
        }
        Ok(browser)
    }

    /// Asks, and keeps the events that come before the answer.
    fn ask(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.next_id += 1;
        let mut message = json!({ "id": self.next_id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.commands.write_all(message.to_string().as_bytes())?;
        self.commands.write_all(&[0])?;
        loop {
            let mut answer = self.receive()?;
            if answer["id"] == json!(self.next_id) {
                return match answer.get("error") {
                    Some(error) => Err(format!("{method}: {error}").into()),
                    None => Ok(answer["result"].take()),
                };
            }
            self.events.push_back(answer);
        }
    }

    fn receive(&mut self) -> Result<Value> {
        let mut bytes = Vec::new();
        self.answers.read_until(0, &mut bytes)?;
        if bytes.pop() != Some(0) {
            return Err("the browser ended".into());
        }
        Ok(serde_json::from_slice(&bytes)?)
    }

    fn wait_for(&mut self, method: &str) -> Result<Vec<Value>> {
        let mut seen = Vec::new();
        loop {
            let event = match self.events.pop_front() {
                Some(event) => event,
                None => self.receive()?,
            };
            let is_it = event["method"] == json!(method);
            seen.push(event);
            if is_it {
                return Ok(seen);
            }
        }
    }

    fn view(&mut self, page: &Path, theme: &'static str, width: u32) -> Result<View> {
        let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        self.ask("Emulation.setEmulatedMedia", &json!({ "features": features }))?;
        let size = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.ask("Emulation.setDeviceMetricsOverride", &size)?;
        // A page left alone, so that what comes later belongs to the next one.
        self.ask("Page.navigate", &json!({ "url": "about:blank" }))?;
        self.wait_for("Page.loadEventFired")?;
        self.events.clear();
        self.ask("Page.navigate", &json!({ "url": format!("file://{}", page.display()) }))?;
        let mut events = self.wait_for("Page.loadEventFired")?;
        let measured = json!({ "expression": MEASURE, "awaitPromise": true, "returnByValue": true });
        let measured = self.ask("Runtime.evaluate", &measured)?["result"]["value"].take();
        events.extend(self.events.drain(..));
        Ok(View {
            width: measured["width"].as_u64().ok_or("the page has no width")?,
            errors: events.iter().filter_map(error_of).collect(),
            requests: events.iter().filter_map(request_of).collect(),
            classes: measured["classes"].as_str().unwrap_or_default().to_owned(),
            theme,
        })
    }

    fn screenshot(&mut self, path: &Path) -> Result<()> {
        let whole = json!({ "format": "png", "captureBeyondViewport": true });
        let taken = self.ask("Page.captureScreenshot", &whole)?;
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        std::fs::write(path, from_base64(taken["data"].as_str().unwrap_or_default()))?;
        Ok(())
    }

    fn end(mut self) -> Result<()> {
        self.session = None;
        self.ask("Browser.close", &json!({}))?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _ = self.child.wait();
    }
}

fn error_of(event: &Value) -> Option<String> {
    let params = &event["params"];
    match event["method"].as_str()? {
        "Runtime.exceptionThrown" => Some(params["exceptionDetails"]["text"].to_string()),
        "Log.entryAdded" if params["entry"]["level"] == "error" => Some(params["entry"]["text"].to_string()),
        "Runtime.consoleAPICalled" if params["type"] == "error" => Some(params["args"].to_string()),
        _ => None,
    }
}

fn request_of(event: &Value) -> Option<String> {
    if event["method"] != "Network.requestWillBeSent" {
        return None;
    }
    event["params"]["request"]["url"].as_str().map(str::to_owned)
}

/// The bytes of a text in base64, without its padding.
fn from_base64(text: &str) -> Vec<u8> {
    let digit = |each: u8| match each {
        b'A'..=b'Z' => Some(each - b'A'),
        b'a'..=b'z' => Some(each - b'a' + 26),
        b'0'..=b'9' => Some(each - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u8> = text.bytes().filter_map(digit).collect();
    let mut bytes = Vec::new();
    for group in digits.chunks(4) {
        let bits =
            group.iter().fold(0u32, |bits, digit| bits << 6 | u32::from(*digit)) << (6 * (4 - group.len()));
        bytes.extend(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}
