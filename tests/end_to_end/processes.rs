//! Batches in pieces, and processes that share them.

use tempfile::tempdir;

use crate::small::begin;

#[test]
fn a_number_of_pieces_that_no_tree_has_is_refused() {
    let folder = tempdir().unwrap();
    for pieces in ["0", "3", "8"] {
        let error =
            begin(&[("train.pieces", pieces)], &folder.path().join("run"), Vec::new()).unwrap_err();
        let expected = format!(
            "`train.pieces` is {pieces}, expected a power of two up to `train.batch_size`, 5"
        );
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}
