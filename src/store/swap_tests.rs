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
