//! Data files in a store in a temporary directory.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{CWD, FileType, Mode};

use super::archive_tests::{Place, model, name, names};
use super::*;

const LIMIT: u64 = 1 << 20;

fn path(text: &str) -> DataPath {
    DataPath::parse(text).unwrap()
}

impl Place {
    fn put(&self, path: &str, content: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn read(&self, text: &str) -> Result<String, Error> {
        let content = self.store.read_data(&path(text), LIMIT)?;
        Ok(String::from_utf8(content.to_vec()).unwrap())
    }

    fn write(&self, text: &str, content: &str) -> Result<(), Error> {
        self.store.write_data(&path(text), content.as_bytes(), Durability::Disk)
    }

    fn outside(&self) -> std::path::PathBuf {
        self.root().parent().unwrap().join("outside")
    }
}

fn pipe_at(path: &Path) {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

#[test]
fn inputs_are_found_below_data_and_below_the_root() {
    let place = Place::new();
    place.put("data/x", "data");
    place.put("x", "root");
    place.put("y", "root");
    place.put("sub/z", "sub");
    assert_eq!(place.read("/x").unwrap(), "data");
    assert_eq!(place.read("/y").unwrap(), "root");
    assert_eq!(place.read("/sub/z").unwrap(), "sub");
    assert_eq!(place.read("/data/x").unwrap(), "data");
    // As outputs are reported, and by the real path.
    assert_eq!(place.read("/models/y").unwrap(), "root");
    assert_eq!(place.read("/models/data/x").unwrap(), "data");
    let real = place.root().join("sub/z");
    assert_eq!(place.read(real.to_str().unwrap()).unwrap(), "sub");
    // A directory that has the name of the root.
    place.put("models/y", "models/y");
    assert_eq!(place.read("/models/y").unwrap(), "models/y");
}

#[test]
fn a_missing_input_is_an_error_with_all_places() {
    let place = Place::new();
    place.put("file", "");
    for text in ["/x", "/file/x"] {
        let error = place.read(text).unwrap_err();
        let Error::NotFound { looked_at } = &error else {
            panic!("{error}");
        };
        let root = place.root();
        let rest = text.trim_start_matches('/');
        assert_eq!(looked_at, &[root.join("data").join(rest), root.join(rest)]);
    }
}

#[test]
fn what_was_written_can_be_read_by_the_url_that_is_reported() {
    let place = Place::new();
    place.write("/out.json", "1").unwrap();
    assert_eq!(place.read("/models/out.json").unwrap(), "1");
    place.write("/models/out.json", "2").unwrap();
    assert_eq!(place.read("/models/models/out.json").unwrap(), "2");
}

#[test]
fn inputs_above_the_limit_are_refused() {
    let place = Place::new();
    place.put("x", "12345");
    assert_eq!(&place.store.read_data(&path("/x"), 5).unwrap()[..], b"12345");
    let error = place.store.read_data(&path("/x"), 4).unwrap_err();
    assert!(matches!(error, Error::FileTooLarge { size: 5, limit: 4, .. }), "{error}");
    // Without a try to hold it: there is no such memory.
    let file = fs::File::create(place.root().join("holes")).unwrap();
    file.set_len(1 << 42).unwrap();
    assert!(place.read("/holes").is_err());
    assert!(place.store.read_data(&path("/x"), u64::MAX).is_ok());
}

#[test]
fn only_regular_files_are_inputs_and_nothing_is_waited_for() {
    let place = Place::new();
    pipe_at(&place.root().join("pipe"));
    fs::create_dir(place.root().join("directory")).unwrap();
    let _listener = UnixListener::bind(place.root().join("socket")).unwrap();
    symlink("pipe", place.root().join("to-pipe")).unwrap();
    symlink(".", place.root().join("to-root")).unwrap();
    for text in ["/pipe", "/directory", "/socket", "/to-pipe", "/to-root"] {
        let error = place.read(text).unwrap_err();
        assert!(matches!(error, Error::NotAFile { .. }), "{text}: {error}");
    }
}

#[test]
fn links_are_followed_inside_and_never_out() {
    let place = Place::new();
    let outside = place.outside();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    place.put("data/real/x", "inside");
    let root = place.root();
    symlink("real/x", root.join("data/link")).unwrap();
    symlink(root.join("data/real"), root.join("absolute")).unwrap();
    assert_eq!(place.read("/link").unwrap(), "inside");
    assert_eq!(place.read("/absolute/x").unwrap(), "inside");

    symlink(&outside, root.join("out")).unwrap();
    symlink("../outside/secret", root.join("secret")).unwrap();
    symlink("../..", root.join("data/up")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    for text in ["/out/secret", "/secret", "/up/outside/secret"] {
        let error = place.read(text).unwrap_err();
        assert!(matches!(error, Error::LeadsOut { .. }), "{text}: {error}");
    }
    assert!(place.read("/loop").is_err());
}

#[test]
fn outputs_stay_below_the_root() {
    let place = Place::new();
    let outside = place.outside();
    fs::create_dir(&outside).unwrap();
    let root = place.root();
    symlink(&outside, root.join("out")).unwrap();
    symlink("../outside/new", root.join("dangling")).unwrap();
    symlink("../outside/new", root.join("file")).unwrap();
    fs::create_dir(root.join("real")).unwrap();
    symlink("real", root.join("inside")).unwrap();
    for text in ["/out/x", "/out/a/b/x"] {
        let error = place.write(text, "1").unwrap_err();
        assert!(matches!(error, Error::LeadsOut { .. }), "{text}: {error}");
    }
    assert!(place.write("/dangling/x", "1").is_err());
    // The link is replaced, not followed.
    place.write("/file", "1").unwrap();
    assert!(!root.join("file").is_symlink());
    place.write("/inside/x", "1").unwrap();
    assert_eq!(fs::read(root.join("real/x")).unwrap(), b"1");
    assert!(names(&outside).is_empty());
    place.assert_nothing_unfinished();
}

#[test]
fn missing_directories_are_made_and_files_replaced() {
    let place = Place::new();
    place.write("/a/b/out.json", "1").unwrap();
    place.write("/a/b/out.json", "22").unwrap();
    place.store.write_data(&path("/a/c.npy"), b"", Durability::Process).unwrap();
    assert_eq!(place.read("/a/b/out.json").unwrap(), "22");
    assert_eq!(place.read("/a/c.npy").unwrap(), "");
    let mode = fs::metadata(place.root().join("a/c.npy")).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o644);
    assert_eq!(names(&place.root().join("a/b")), ["out.json"]);
    place.assert_nothing_unfinished();
}

#[test]
fn outputs_replace_nothing_but_files() {
    let place = Place::new();
    fs::create_dir(place.root().join("directory")).unwrap();
    pipe_at(&place.root().join("pipe"));
    for text in ["/directory", "/pipe"] {
        let error = place.write(text, "1").unwrap_err();
        assert!(matches!(error, Error::NotAFile { .. }), "{text}: {error}");
    }
    place.put("file", "1");
    assert!(place.write("/file/x", "2").is_err());
    assert_eq!(place.read("/file").unwrap(), "1");
    place.assert_nothing_unfinished();
}

#[test]
fn the_stores_and_the_models_files_are_reserved() {
    let place = Place::new();
    let mut staging = place.store.stage(&name("demo"), Origin::default()).unwrap();
    staging.extract(&model("1")[..]).unwrap();
    staging.install().unwrap().keep().unwrap();
    fs::create_dir(place.root().join("results")).unwrap();
    symlink(".sapt", place.root().join("hidden")).unwrap();
    symlink("demo", place.root().join("alias")).unwrap();
    for text in [
        "/.sapt",
        "/.sapt/lock",
        "/.sapt/new",
        "//.sapt/new/x",
        "/hidden/new",
        "/demo/model.onnx",
        "/demo/sub/new",
        "/alias/model.onnx",
    ] {
        let error = place.write(text, "1").unwrap_err();
        assert!(matches!(error, Error::Reserved { .. }), "{text}: {error}");
    }
    assert!(matches!(place.write("/demo", "1"), Err(Error::NotAFile { .. })));
    for text in ["/.sapt/lock", "/hidden/lock"] {
        let error = place.read(text).unwrap_err();
        assert!(matches!(error, Error::Reserved { .. }), "{text}: {error}");
    }
    assert_eq!(place.read("/demo/model.onnx").unwrap(), "1");
    place.write("/results/x", "1").unwrap();
    // The names are the model's only while it is installed.
    let mut staging = place.store.stage(&name("other"), Origin::default()).unwrap();
    staging.extract(&model("1")[..]).unwrap();
    staging.install().unwrap().restore().unwrap();
    place.write("/other/x", "1").unwrap();
}

#[test]
fn a_reader_finds_the_old_content_or_the_new() {
    let place = Place::new();
    let (old, new) = ("o".repeat(200_000), "n".repeat(300_000));
    place.write("/out", &old).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) || reads == 0 {
                let found = place.read("/out").unwrap();
                assert!(found == old || found == new, "{} bytes", found.len());
                // Nor does it see the temporary name.
                assert_eq!(names(place.root()), [".sapt", "out"]);
                reads += 1;
            }
        });
        for _ in 0..20 {
            place.write("/out", &new).unwrap();
            place.write("/out", &old).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        reading.join().unwrap();
    });
    assert_eq!(names(place.root()), [".sapt", "out"]);
}

#[test]
fn a_write_that_fails_leaves_nothing() {
    let place = Place::new();
    place.put("directory/x", "1");
    // Nothing can be renamed into it, but that shows only when the content is written.
    let read_only = place.root().join("directory");
    let is_root = rustix::process::geteuid().is_root();
    fs::set_permissions(&read_only, fs::Permissions::from_mode(0o555)).unwrap();
    let result = place.write("/directory/y", "2");
    fs::set_permissions(&read_only, fs::Permissions::from_mode(0o755)).unwrap();
    // The superuser may write everywhere.
    assert_eq!(result.is_ok(), is_root);
    place.assert_nothing_unfinished();
}
