//! Paths of a tree: absolute, `/`-separated, resolved step by step and never above the root.

/// Symbolic links followed on the way before a path counts as a loop (the kernel's own limit).
pub(crate) const LINK_LIMIT: usize = 40;

/// Longest path that is looked at; longer ones are treated as absent.
pub(crate) const PATH_LIMIT: usize = 4096;

/// Parts of a path without empty ones and `.`; `..` is kept.
pub(crate) fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

/// `directory` and `name` as one absolute path.
pub(crate) fn join(directory: &str, name: &str) -> String {
    let mut path = String::with_capacity(directory.len().saturating_add(name.len()) + 1);
    path.push_str(directory.trim_end_matches('/'));
    path.push('/');
    path.push_str(name.trim_start_matches('/'));
    path
}

/// Everything before the last `/`; the root is its own parent.
pub(crate) fn parent(path: &str) -> &str {
    match path.trim_end_matches('/').rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((before, _)) => before,
    }
}

/// Last name of a path.
pub(crate) fn name(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// A path without symbolic links, as far as the names exist.
pub(crate) struct Resolved {
    /// The path.
    pub(crate) path: String,
    /// Whether every link was followed; else it is a loop.
    pub(crate) complete: bool,
}

/// Resolves every symbolic link of `path`; `link` tells the text of a link whose directory is
/// already resolved. `..` stops at the root, absolute targets start there again, and after
/// [`LINK_LIMIT`] links the rest is kept as text.
pub(crate) fn resolve(path: &str, mut link: impl FnMut(&str) -> Option<String>) -> Resolved {
    let mut done = String::new();
    let mut todo: Vec<String> = parts(path).rev().map(str::to_owned).collect();
    let mut links = 0;
    let mut complete = true;
    while let Some(part) = todo.pop() {
        if part == ".." {
            let kept = parent(&done).trim_end_matches('/').len();
            done.truncate(kept);
            continue;
        }
        let here = done.len();
        done.push('/');
        done.push_str(&part);
        if links >= LINK_LIMIT || done.len() > PATH_LIMIT {
            complete = false;
            continue;
        }
        if let Some(target) = link(&done) {
            links += 1;
            done.truncate(if target.starts_with('/') { 0 } else { here });
            todo.extend(parts(&target).rev().map(str::to_owned));
        }
    }
    if done.is_empty() {
        done.push('/');
    }
    Resolved { path: done, complete }
}

/// Order of names with numbers in them: `cpu2` before `cpu10`.
pub(crate) fn numeric_order(left: &str, right: &str) -> std::cmp::Ordering {
    let (mut a, mut b) = (left.as_bytes(), right.as_bytes());
    loop {
        match (a.split_first(), b.split_first()) {
            (Some((x, _)), Some((y, _))) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (number_a, rest_a) = split_number(a);
                let (number_b, rest_b) = split_number(b);
                let order = number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b));
                if order.is_ne() {
                    return order;
                }
                (a, b) = (rest_a, rest_b);
            }
            (Some((x, rest_a)), Some((y, rest_b))) => {
                if x != y {
                    return x.cmp(y);
                }
                (a, b) = (rest_a, rest_b);
            }
            (x, y) => {
                return x.is_some().cmp(&y.is_some()).then_with(|| left.cmp(right));
            }
        }
    }
}

/// Digits at the start, without leading zeros, and the rest.
fn split_number(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(bytes.len());
    let (digits, rest) = bytes.split_at(end);
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    (digits.get(zeros..).unwrap_or_default(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_sort_by_value() {
        let mut names = vec!["cpu10", "cpu2", "cpu", "cpu02", "cpufreq", "index0", "cpu1a"];
        names.sort_by(|a, b| numeric_order(a, b));
        assert_eq!(names, ["cpu", "cpu1a", "cpu02", "cpu2", "cpu10", "cpufreq", "index0"]);
    }

    #[test]
    fn dot_dot_stops_at_the_root() {
        assert_eq!(resolve("/../../a/../b/./c", |_| None).path, "/b/c");
        assert_eq!(resolve("/..", |_| None).path, "/");
    }

    #[test]
    fn a_link_loop_ends() {
        let resolved = resolve("/a/x", |path| (path == "/a").then(|| "a".to_owned()));
        assert_eq!(resolved.path, "/a/x");
    }

    #[test]
    fn absolute_targets_start_at_the_root() {
        let resolved = resolve("/a/b/c", |path| (path == "/a/b").then(|| "/d".to_owned()));
        assert_eq!(resolved.path, "/d/c");
    }

    #[test]
    fn parent_of_a_top_name_is_the_root() {
        assert_eq!(parent("/sys"), "/");
        assert_eq!(parent("/sys/bus/"), "/sys");
        assert_eq!(name("/sys/bus/"), "bus");
        assert_eq!(join("/", "sys"), "/sys");
    }
}
