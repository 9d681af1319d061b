//! The files of a directory as one set.
//!
//! Names decide nothing about what a file is: `06-4f-01.initramfs`, as Debian names updates that
//! must not be loaded at run time, is read like `06-4f-01`. Unlike `iucode_tool`, which takes files
//! in the order of the file system and leaves folders below out, files are sorted by name and may
//! stand in folders; like it, names that begin with a dot and empty files are passed over.

use std::path::Path;
use std::sync::Arc;

use super::{Gathered, Kind, Options, gather};

/// All updates of files given by their names, relative to the directory and with `/` between
/// folders, and their bytes.
#[must_use]
pub fn gather_directory<B>(name: &str, files: impl IntoIterator<Item = (String, B)>, options: Options) -> Gathered
where
    B: Into<Arc<Vec<u8>>>,
{
    let mut files: Vec<(String, Arc<Vec<u8>>)> = files
        .into_iter()
        .map(|(name, bytes)| (name, bytes.into()))
        .filter(|(name, bytes)| !is_hidden(Path::new(name)) && !bytes.is_empty())
        .collect();
    files.sort_by(|(left, _), (right, _)| left.cmp(right));
    let mut all = Gathered::new(name, Kind::Directory);
    for (file, bytes) in files {
        let path = join(name, &file);
        let one = gather(&path, bytes, options);
        if one.kind == Kind::Other {
            all.others.push(path);
        }
        all.absorb(one);
    }
    all
}

/// `folder/file`, or the file alone when the folder has no name.
fn join(folder: &str, file: &str) -> String {
    match folder.trim_end_matches('/') {
        "" => file.to_owned(),
        folder => format!("{folder}/{file}"),
    }
}

/// Whether a path within a directory has a name that begins with a dot.
#[must_use]
pub fn is_hidden(path: &Path) -> bool {
    path.components()
        .any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"."))
}

#[cfg(test)]
mod tests {
    use super::super::samples::intel;
    use super::*;

    #[test]
    fn files_are_sorted_and_hidden_empty_and_other_files_are_not_read() {
        let one = |revision| intel(0x406f1, 0xef, revision, 1);
        let files = [
            ("sub/06-55-04".to_owned(), one(3)),
            ("06-4f-01.initramfs".to_owned(), one(2)),
            (".06-4f-01".to_owned(), one(9)),
            ("06-00-00".to_owned(), Vec::new()),
            ("06-2a-07".to_owned(), one(1)),
            ("LICENSE".to_owned(), b"terms".to_vec()),
        ];
        let all = gather_directory("intel-ucode/", files, Options::default());
        let places: Vec<_> = all.found.iter().map(|found| found.place.source.as_str()).collect();
        assert_eq!(
            places,
            [
                "intel-ucode/06-2a-07",
                "intel-ucode/06-4f-01.initramfs",
                "intel-ucode/sub/06-55-04"
            ]
        );
        assert_eq!(all.others, ["intel-ucode/LICENSE"]);
    }
}
