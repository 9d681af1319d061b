//! Names of Windows releases by build number, as Microsoft publishes them.

/// First build, name of the workstation, name of the server.
const RELEASES: &[(u32, &str, &str)] = &[
    (2195, "Windows 2000", "Windows 2000 Server"),
    (2600, "Windows XP", ""),
    (3790, "Windows XP x64 Edition", "Windows Server 2003"),
    (6000, "Windows Vista", ""),
    (6001, "Windows Vista SP1", "Windows Server 2008"),
    (6002, "Windows Vista SP2", "Windows Server 2008 SP2"),
    (6003, "", "Windows Server 2008 SP2"),
    (7600, "Windows 7", "Windows Server 2008 R2"),
    (7601, "Windows 7 SP1", "Windows Server 2008 R2 SP1"),
    (9200, "Windows 8", "Windows Server 2012"),
    (9600, "Windows 8.1", "Windows Server 2012 R2"),
    (10240, "Windows 10 1507", ""),
    (10586, "Windows 10 1511", ""),
    (14393, "Windows 10 1607", "Windows Server 2016"),
    (15063, "Windows 10 1703", ""),
    (16299, "Windows 10 1709", "Windows Server 1709"),
    (17134, "Windows 10 1803", "Windows Server 1803"),
    (17763, "Windows 10 1809", "Windows Server 2019"),
    (18362, "Windows 10 1903", "Windows Server 1903"),
    (18363, "Windows 10 1909", "Windows Server 1909"),
    (19041, "Windows 10 2004", "Windows Server 2004"),
    (19042, "Windows 10 20H2", "Windows Server 20H2"),
    (19043, "Windows 10 21H1", ""),
    (19044, "Windows 10 21H2", ""),
    (19045, "Windows 10 22H2", ""),
    (20348, "", "Windows Server 2022"),
    (22000, "Windows 11 21H2", ""),
    (22621, "Windows 11 22H2", ""),
    (22631, "Windows 11 23H2", ""),
    (25398, "", "Windows Server 23H2"),
    (26100, "Windows 11 24H2", "Windows Server 2025"),
    (26200, "Windows 11 25H2", ""),
];

/// Name of the release with this number; of the workstation or the server when the product type says
/// which one it is, else of both.
#[must_use]
pub fn name(build: u32, product_type: Option<u32>) -> Option<String> {
    let (_, workstation, server) = RELEASES.iter().find(|(number, ..)| *number == build)?;
    let both = || {
        let names = [*workstation, *server];
        let known: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
        known.join(" or ")
    };
    Some(match product_type {
        Some(1) if !workstation.is_empty() => (*workstation).to_owned(),
        Some(2 | 3) if !server.is_empty() => (*server).to_owned(),
        _ => both(),
    })
}

/// Whether a number is one of a release: what lies between two of them is a preview.
#[must_use]
pub fn plausible(build: u32) -> bool {
    (1381..100_000).contains(&build)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_may_be_a_workstation_a_server_or_both() {
        assert_eq!(name(26100, Some(1)).as_deref(), Some("Windows 11 24H2"));
        assert_eq!(name(26100, Some(3)).as_deref(), Some("Windows Server 2025"));
        assert_eq!(
            name(7601, None).as_deref(),
            Some("Windows 7 SP1 or Windows Server 2008 R2 SP1")
        );
        assert_eq!(name(20348, Some(2)).as_deref(), Some("Windows Server 2022"));
        assert_eq!(name(20348, None).as_deref(), Some("Windows Server 2022"));
        assert_eq!(name(12345, None), None);
    }

    #[test]
    fn numbers_rise() {
        assert!(RELEASES.is_sorted_by(|first, second| first.0 < second.0));
        assert!(RELEASES.iter().all(|row| plausible(row.0)));
    }
}
