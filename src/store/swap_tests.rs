//! Versions of a model: installed, kept, taken back; and what a killed run leaves.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;

use super::archive_tests::{Place, model, name, names};
use super::*;

fn staged(store: &Store, model_name: &str, content: &str) -> Staging {
    let mut staging = store.stage(&name(model_name), Origin::default()).unwrap();
    staging.extract(&model(content)[..]).unwrap();
    staging
}

fn install(store: &Store, model_name: &str, content: &str) -> Installed {
    staged(store, model_name, content).install().unwrap()
}

fn content(store: &Store, model_name: &str) -> String {
    fs::read_to_string(store.model_path(&name(model_name)).join("model.onnx")).unwrap()
}

fn write_model(directory: &Path, content: &str) {
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join("model.onnx"), content).unwrap();
}

#[test]
fn a_first_version_is_kept_or_taken_away() {
    let place = Place::new();
    let installed = install(&place.store, "demo", "1");
    assert_eq!(content(&place.store, "demo"), "1");
    assert!(!installed.restore().unwrap());
    place.assert_clean();
    install(&place.store, "demo", "2").keep().unwrap();
    assert_eq!(content(&place.store, "demo"), "2");
    place.assert_nothing_unfinished();
}

#[test]
fn the_previous_version_comes_back_unless_the_new_one_is_kept() {
    let place = Place::new();
    install(&place.store, "demo", "1").keep().unwrap();
    let installed = install(&place.store, "demo", "2");
    assert_eq!(content(&place.store, "demo"), "2");
    assert!(installed.restore().unwrap());
    assert_eq!(content(&place.store, "demo"), "1");
    place.assert_nothing_unfinished();

    drop(install(&place.store, "demo", "3"));
    assert_eq!(content(&place.store, "demo"), "1");
    place.assert_nothing_unfinished();

    install(&place.store, "demo", "4").keep().unwrap();
    assert_eq!(content(&place.store, "demo"), "4");
    place.assert_nothing_unfinished();
}

#[test]
fn staged_but_not_installed_leaves_nothing() {
    let place = Place::new();
    drop(staged(&place.store, "demo", "1"));
    place.assert_clean();
    let staging = place.store.stage(&name("demo"), Origin::default()).unwrap();
    assert!(matches!(staging.install(), Err(Error::NothingExtracted { .. })));
    place.assert_clean();
}

#[test]
fn one_version_of_a_model_is_on_trial_at_a_time() {
    let place = Place::new();
    let first = staged(&place.store, "demo", "1");
    let second = staged(&place.store, "demo", "2");
    let other = staged(&place.store, "other", "3");
    let first = first.install().unwrap();
    let error = second.install().unwrap_err();
    assert!(matches!(error, Error::OnTrial { .. }), "{error}");
    other.install().unwrap().keep().unwrap();
    first.keep().unwrap();
    assert_eq!(content(&place.store, "demo"), "1");
    install(&place.store, "demo", "4").keep().unwrap();
    assert_eq!(content(&place.store, "demo"), "4");
    place.assert_nothing_unfinished();
}

#[test]
fn many_models_at_once() {
    let place = Place::new();
    thread::scope(|scope| {
        for number in 0..8 {
            let store = place.store.clone();
            scope.spawn(move || {
                // Two threads to each name: whichever comes second finds it taken, or replaces.
                let model_name = format!("model-{}", number / 2);
                match staged(&store, &model_name, &model_name).install() {
                    Ok(installed) => installed.keep().unwrap(),
                    Err(error) => assert!(matches!(error, Error::OnTrial { .. }), "{error}"),
                }
            });
        }
    });
    for number in 0..4 {
        let model_name = format!("model-{number}");
        assert_eq!(content(&place.store, &model_name), model_name);
    }
    place.assert_nothing_unfinished();
}

#[test]
fn the_input_directory_and_files_are_never_replaced() {
    let place = Place::new();
    assert!(matches!(
        place.store.stage(&name("data"), Origin::default()),
        Err(Error::ReservedName { .. })
    ));
    fs::write(place.root().join("demo"), "somebody's file").unwrap();
    let error = staged(&place.store, "demo", "1").install().unwrap_err();
    assert!(matches!(error, Error::NotAModel { .. }), "{error}");
    let left = fs::read_to_string(place.root().join("demo")).unwrap();
    assert_eq!(left, "somebody's file");
    place.assert_nothing_unfinished();
}

#[test]
fn a_link_to_a_model_elsewhere_is_replaced_and_what_it_leads_to_stays() {
    let place = Place::new();
    let elsewhere = place.root().parent().unwrap().join("elsewhere");
    write_model(&elsewhere, "theirs");
    symlink("../elsewhere", place.root().join("demo")).unwrap();
    assert!(install(&place.store, "demo", "1").restore().unwrap());
    assert_eq!(content(&place.store, "demo"), "theirs");
    install(&place.store, "demo", "2").keep().unwrap();
    assert_eq!(content(&place.store, "demo"), "2");
    assert_eq!(names(&elsewhere), ["model.onnx"]);
}

#[test]
fn a_directory_has_one_store_at_a_time() {
    let place = Place::new();
    let staging = staged(&place.store, "demo", "1");
    let error = Store::open(place.root().to_owned()).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    // And the second did not disturb the first.
    staging.install().unwrap().keep().unwrap();
    let root = place.root().to_owned();
    let directory = place.store.clone();
    drop((place.store, directory));
    Store::open(root).unwrap();
}

#[test]
fn the_root_may_be_a_link_and_is_made_if_missing() {
    let directory = tempfile::tempdir().unwrap();
    let real = directory.path().join("volume/models");
    drop(Store::open(real.clone()).unwrap());
    let root = directory.path().join("models");
    symlink(&real, &root).unwrap();
    let store = Store::open(root.clone()).unwrap();
    install(&store, "demo", "1").keep().unwrap();
    assert_eq!(names(&real), [".sapt", "demo"]);
    assert_eq!(store.model_path(&name("demo")), root.join("demo"));
}

#[test]
fn a_root_that_cannot_be_a_directory_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Store::open(file.join("models")).unwrap_err().to_string();
    assert!(error.contains("file"), "{error}");
    let error = Store::open(file).unwrap_err().to_string();
    assert!(error.contains("use as a directory"), "{error}");
    // The store's own directory must be one too: what is in it is deleted.
    let root = directory.path().join("models");
    fs::create_dir(&root).unwrap();
    symlink(directory.path(), root.join(".sapt")).unwrap();
    assert!(Store::open(root).is_err());
}

/// A root as a killed process leaves it.
struct Killed {
    directory: tempfile::TempDir,
}

impl Killed {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        drop(Store::open(directory.path().to_owned()).unwrap());
        Self { directory }
    }

    fn write(&self, path: &str, content: &str) {
        write_model(&self.directory.path().join(path), content);
    }

    fn open(&self) -> Store {
        Store::open(self.directory.path().to_owned()).unwrap()
    }

    fn assert_nothing_unfinished(&self) {
        for path in [".sapt/staging", ".sapt/previous", ".sapt/trash"] {
            assert!(names(&self.directory.path().join(path)).is_empty(), "{path}");
        }
    }
}

#[test]
fn killed_while_extracting_or_deleting() {
    let killed = Killed::new();
    killed.write(".sapt/staging/model-0/sub", "half");
    killed.write(".sapt/trash/model-1", "old");
    fs::write(killed.directory.path().join(".sapt/staging/output-2"), "").unwrap();
    killed.write("demo", "whole");
    let store = killed.open();
    assert_eq!(store.recovery().removed, 3);
    assert!(store.recovery().put_back.is_empty());
    assert_eq!(content(&store, "demo"), "whole");
    killed.assert_nothing_unfinished();
    // Also not by another way, once it is in order.
    drop(store);
    assert_eq!(killed.open().recovery().removed, 0);
}

#[test]
fn killed_between_the_two_renames() {
    let killed = Killed::new();
    killed.write(".sapt/previous/demo", "1");
    killed.write(".sapt/staging/model-0", "2");
    let store = killed.open();
    assert_eq!(store.recovery().put_back, ["demo"]);
    assert_eq!(content(&store, "demo"), "1");
    killed.assert_nothing_unfinished();
}

#[test]
fn killed_while_the_new_version_was_on_trial() {
    let killed = Killed::new();
    killed.write(".sapt/previous/demo", "1");
    killed.write("demo", "2");
    killed.write(".sapt/previous/other", "3");
    killed.write("other", "4");
    // A leftover that has the name of the first thing to be thrown away.
    killed.write(".sapt/trash/recovered-0", "0");
    let store = killed.open();
    assert_eq!(content(&store, "demo"), "1");
    assert_eq!(content(&store, "other"), "3");
    killed.assert_nothing_unfinished();
}

#[test]
fn killed_while_taking_back() {
    let killed = Killed::new();
    killed.write(".sapt/previous/demo", "1");
    killed.write(".sapt/trash/model-0", "2");
    let store = killed.open();
    assert_eq!(content(&store, "demo"), "1");
    killed.assert_nothing_unfinished();
}

#[test]
fn killed_after_the_new_version_was_kept() {
    let killed = Killed::new();
    killed.write("demo", "2");
    killed.write(".sapt/trash/model-0", "1");
    let store = killed.open();
    assert_eq!(content(&store, "demo"), "2");
    killed.assert_nothing_unfinished();
}

#[test]
fn a_version_that_could_not_be_put_back_is_put_back_before_the_next() {
    let place = Place::new();
    write_model(&place.root().join(".sapt/previous/demo"), "1");
    assert!(install(&place.store, "demo", "2").restore().unwrap());
    assert_eq!(content(&place.store, "demo"), "1");
}

#[test]
fn an_earlier_version_is_kept_and_installed_again() {
    let place = Place::new();
    install(&place.store, "demo", "1").keep().unwrap();
    install(&place.store, "demo", "2").keep().unwrap();
    let known = place.store.unpacked(&name("demo"));
    // Archives whose origin is not known are not used again.
    assert!(known.is_empty());
    let origin = |url: &str| Origin { url: url.to_owned(), ..Origin::default() };
    for content in ["3", "4"] {
        let mut staging = place.store.stage(&name("demo"), origin(content)).unwrap();
        staging.extract(&model(content)[..]).unwrap();
        staging.install().unwrap().keep().unwrap();
    }
    let known = place.store.unpacked(&name("demo"));
    let urls: Vec<&str> = known.iter().map(|version| version.url.as_str()).collect();
    assert_eq!(urls, ["4", "3"]);
    assert!(matches!(place.store.take_unpacked(&name("demo"), &known[0]), Some(Unpacked::InPlace)));
    let take = || match place.store.take_unpacked(&name("demo"), &known[1]) {
        Some(Unpacked::Kept(staging)) => staging,
        other => panic!("{other:?}"),
    };
    // Not used after all, and refused: it goes on being kept.
    drop(take());
    assert!(take().install().unwrap().restore().unwrap());
    assert_eq!(
        (content(&place.store, "demo"), place.store.unpacked(&name("demo")).len()),
        ("4".to_owned(), 2)
    );
    take().install().unwrap().keep().unwrap();
    assert_eq!(content(&place.store, "demo"), "3");
    place.assert_nothing_unfinished();
    let record = place.store.record(&name("demo"));
    assert!(record.wanted && !record.unsettled && record.trial.is_none());
    assert_eq!(record.kept[..], known[..1]);
    assert!(place.store.take_unpacked(&name("demo"), &known[0]).is_some());
}

#[test]
fn a_new_number_is_above_all_that_are_known() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Store::open(directory.path().to_owned()).unwrap();
    for content in ["1", "2", "3"] {
        install(&open(), "demo", content).keep().unwrap();
    }
    let record = open().record(&name("demo"));
    assert!(record.current.unwrap().id > record.kept[0].id);
    assert_eq!(record.kept.len(), 1);
}

/// What the record of `demo` says about versions by their numbers, and what is at which place.
struct Left {
    current: Option<u64>,
    trial: Option<u64>,
    kept: &'static [u64],
    /// Paths with the version that is there.
    places: &'static [(&'static str, u64)],
}

impl Left {
    fn open(self) -> (Killed, Store, Record) {
        let killed = Killed::new();
        let version = |id: u64| Version { id, url: "u".to_owned(), ..Version::default() };
        let record = Record {
            wanted: false,
            unsettled: false,
            current: self.current.map(version),
            trial: self.trial.map(version),
            kept: self.kept.iter().map(|id| version(*id)).collect(),
        };
        let path = killed.directory.path().join(".sapt/records/demo");
        fs::write(path, record.write()).unwrap();
        for (path, version) in self.places {
            killed.write(path, &version.to_string());
        }
        let store = killed.open();
        killed.assert_nothing_unfinished();
        let record = store.record(&name("demo"));
        assert_eq!(record.trial, None);
        (killed, store, record)
    }
}

fn ids<'a>(versions: impl IntoIterator<Item = &'a Version>) -> Vec<u64> {
    versions.into_iter().map(|version| version.id).collect()
}

const PREVIOUS: &str = ".sapt/previous/demo";

#[test]
fn killed_on_trial_the_record_goes_back_too() {
    let places = &[(PREVIOUS, 1), ("demo", 2)];
    let (_killed, store, record) =
        Left { current: Some(1), trial: Some(2), kept: &[], places }.open();
    assert_eq!((content(&store, "demo"), ids(&record.current)), ("1".to_owned(), vec![1]));
    assert!(record.unsettled && !record.wanted);
    // The record went back, and the directories had not.
    let (_killed, store, record) = Left { current: Some(1), trial: None, kept: &[], places }.open();
    assert_eq!((content(&store, "demo"), ids(&record.current)), ("1".to_owned(), vec![1]));
}

#[test]
fn killed_on_trial_with_a_version_that_was_kept() {
    let places = &[(PREVIOUS, 2), ("demo", 1)];
    let (killed, store, record) =
        Left { current: Some(2), trial: Some(1), kept: &[1], places }.open();
    assert_eq!((content(&store, "demo"), ids(&record.kept)), ("2".to_owned(), vec![1]));
    assert!(killed.directory.path().join(".sapt/versions/demo/1/model.onnx").exists());
}

#[test]
fn killed_before_the_first_rename() {
    let places = &[("demo", 1), (".sapt/staging/model-2", 2)];
    let (_killed, store, record) =
        Left { current: Some(1), trial: Some(2), kept: &[], places }.open();
    assert_eq!((content(&store, "demo"), ids(&record.current)), ("1".to_owned(), vec![1]));
    assert!(!record.wanted && !record.unsettled);
}

#[test]
fn killed_after_the_decision_the_new_version_is_the_current_one() {
    let places = &[("demo", 2), (".sapt/versions/demo/1", 1)];
    let (_killed, store, record) =
        Left { current: Some(1), trial: Some(2), kept: &[], places }.open();
    assert_eq!((content(&store, "demo"), ids(&record.current)), ("2".to_owned(), vec![2]));
    assert_eq!(ids(&record.kept), [1]);
    assert!(record.wanted);
    // The previous one went into the trash.
    let places = &[("demo", 2), (".sapt/trash/7", 1)];
    let (_killed, _, record) = Left { current: Some(1), trial: Some(2), kept: &[], places }.open();
    assert_eq!((ids(&record.current), ids(&record.kept)), (vec![2], vec![]));
}

#[test]
fn killed_while_a_first_version_was_taken_back() {
    let places = &[(".sapt/trash/7", 2)];
    let (killed, store, record) = Left { current: None, trial: Some(2), kept: &[], places }.open();
    assert_eq!((record.current, store.records().len()), (None, 0));
    assert_eq!(names(&killed.directory.path().join(".sapt/records")), [""; 0]);
}

#[test]
fn killed_when_a_kept_version_was_about_to_be_used_again() {
    let places = &[("demo", 2), (".sapt/staging/model-1", 1)];
    let (killed, _, record) = Left { current: Some(2), trial: None, kept: &[1], places }.open();
    assert_eq!(ids(&record.kept), [1]);
    assert!(killed.directory.path().join(".sapt/versions/demo/1/model.onnx").exists());
}

#[test]
fn versions_without_a_record_and_records_without_a_version() {
    let places = &[
        ("demo", 3),
        (".sapt/versions/demo/2", 2),
        (".sapt/versions/demo/x", 0),
        (".sapt/versions/other/1", 1),
    ];
    let (killed, store, record) =
        Left { current: Some(3), trial: None, kept: &[2, 1], places }.open();
    assert_eq!(ids(&record.kept), [2]);
    assert_eq!(names(&killed.directory.path().join(".sapt/versions")), ["demo"]);
    assert_eq!(names(&killed.directory.path().join(".sapt/versions/demo")), ["2"]);
    assert_eq!(store.recovery().removed, 2);
}

#[test]
fn a_record_that_cannot_be_read_is_told_and_the_model_stays() {
    let killed = Killed::new();
    killed.write("demo", "1");
    fs::write(killed.directory.path().join(".sapt/records/demo"), "{\"wanted\":").unwrap();
    let store = killed.open();
    let [error] = &store.recovery().unreadable[..] else { panic!("{:?}", store.recovery()) };
    assert!(error.to_string().contains("records/demo is damaged"), "{error}");
    assert!(!store.record(&name("demo")).wanted);
    let path = DataPath::parse("/demo/x").unwrap();
    let error = store.write_data(&path, b"", Durability::Process).unwrap_err();
    assert!(matches!(error, Error::Reserved { .. }), "{error}");
    install(&store, "demo", "2").keep().unwrap();
    drop(store);
    assert!(killed.open().recovery().unreadable.is_empty());
}

#[test]
fn a_change_of_a_record_lasts() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Store::open(directory.path().to_owned()).unwrap();
    install(&open(), "demo", "1").keep().unwrap();
    assert!(open().record(&name("demo")).wanted);
    open().set_wanted(&name("demo"), false).unwrap();
    assert!(!open().record(&name("demo")).wanted);
    open().settle(&name("other")).unwrap();
    assert_eq!(open().records().len(), 1);
}
