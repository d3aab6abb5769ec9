//! One seed, one result: the same recipe gives the same bytes.

use std::path::Path;

use tempfile::tempdir;

use crate::program::{arg, stderr, taper};

/// Fine-tunes with a number of threads and gives the bytes of the model.
fn finetuned(out: &Path, threads: &str, seed: &str) -> Vec<u8> {
    let args = ["finetune", "--epochs", "1", "--seed", seed, "--quiet", "--out", arg(out)];
    let output = taper(&args).env("RAYON_NUM_THREADS", threads).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    std::fs::read(out.join("model.safetensors")).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_bytes_with_one_two_and_three_threads_and_another_seed_others() {
    let folder = tempdir().unwrap();
    let one = finetuned(&folder.path().join("1"), "1", "7");
    let two = finetuned(&folder.path().join("2"), "2", "7");
    let three = finetuned(&folder.path().join("3"), "3", "7");
    let other = finetuned(&folder.path().join("other"), "2", "8");
    // assert_eq would print megabytes.
    assert!(one == two, "1 and 2 threads differ");
    assert!(two == three, "2 and 3 threads differ");
    assert!(two != other, "another seed changes nothing");
}
