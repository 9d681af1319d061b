//! The tables of [`super`]: cut-off revisions and listed patches.
//!
//! Cut-offs: `get_cutoff_revision` of Linux 6.12.107 (its last revision with the old signature);
//! Xen 4.20.3 has the same 34 rows as first revision with the new one. Listed patches: ids from
//! the two lists; every digest is computed from a published patch of that id, and stands here only
//! when it is the one that the lists have.

use crate::ids::Sha256;

/// A listed patch.
pub(super) struct Row {
    /// Patch id.
    pub revision: u32,
    /// Whether it is on Xen's list too; Linux's list has all of them.
    pub xen: bool,
    sha256: &'static str,
}

impl Row {
    /// The digest; `None` where no patch of this id was at hand.
    pub fn sha256(&self) -> Option<Sha256> {
        let mut bytes = [0; 32];
        let (pairs, _) = self.sha256.as_bytes().as_chunks::<2>();
        if pairs.len() != bytes.len() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let digits = std::str::from_utf8(pair).ok()?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(Sha256(bytes))
    }
}

const fn both(revision: u32, sha256: &'static str) -> Row {
    Row {
        revision,
        xen: true,
        sha256,
    }
}

const fn linux(revision: u32, sha256: &'static str) -> Row {
    Row {
        revision,
        xen: false,
        sha256,
    }
}

/// Last revision with the old signature, one for each CPU (bits 31 to 8).
pub(super) const CUTOFFS: &[u32] = &[
    0x0800_1277,
    0x0800_820f,
    0x0830_107c,
    0x0860_010e,
    0x0860_8108,
    0x0870_1034,
    0x08a0_000a,
    0x0a00_107a,
    0x0a00_11da,
    0x0a00_1243,
    0x0a00_820e,
    0x0a10_1153,
    0x0a10_124e,
    0x0a10_8109,
    0x0a20_102f,
    0x0a20_1212,
    0x0a40_4109,
    0x0a50_0013,
    0x0a60_120a,
    0x0a70_4109,
    0x0a70_5208,
    0x0a70_8009,
    0x0a70_c009,
    0x0aa0_0116,
    0x0aa0_0218,
    0x0b00_2146,
    0x0b00_8111,
    0x0b10_1046,
    0x0b20_4031,
    0x0b40_4031,
    0x0b40_4101,
    0x0b60_0031,
    0x0b60_8031,
    0x0b70_0031,
];

/// Listed patches by id.
pub(super) const ROWS: &[Row] = &[
    linux(
        0x0800_1227,
        "99c09b2bcc9f521b1a5f1d83a16cc446e26cda73fb2d23a877dc1531334a4618",
    ),
    linux(
        0x0800_1250,
        "c00b6b19fd5c3960d5c3574654e4d1aaa8f71fa86a603ee327398e5330f84919",
    ),
    linux(
        0x0800_126e,
        "f38b2bb634e3c82cefec636dc87677b3255ab7528c8326e64cbebfe97d226a43",
    ),
    both(
        0x0800_126f,
        "2b5af29cddd27fecec960957b096298b2e2691f049334218dd4b655ad4153d33",
    ),
    both(
        0x0800_820d,
        "689883cd220ddd59732c5b371f840e679643830c4644ab7c7b659e57b5904b0e",
    ),
    linux(
        0x0830_1025,
        "e47ddb1e14b45e368f3e48883c6d76a159c6c07242df6c306f0b281661fc7977",
    ),
    linux(
        0x0830_1055,
        "817b991bae2d4f9aef13ceb510af6aeae5b064981068343b9d7ad622775fb35b",
    ),
    linux(
        0x0830_1072,
        "cf76a71a49df2a5e9e4070e5dd8aa82820dc91d82ca6a0b12d2226944b408530",
    ),
    linux(
        0x0830_107a,
        "2a658c1a5e072172df90a65137d34b34c4da03e18a6cfb2004b28105d487f40a",
    ),
    linux(
        0x0830_107b,
        "b343136356c139ad10a62bcc02e6762a1e39583e236ea40495eaf96dc28a1319",
    ),
    both(
        0x0830_107c,
        "2164defb9f689647705ce28f18526aaca4d22ee0de6866c3eb1ed33fbc511d38",
    ),
    both(
        0x0860_010d,
        "86b61583bc3b9ce0b3ef1d99843515f77c2ac642db73075c7dc302b543065ef8",
    ),
    both(
        0x0860_8108,
        "14fe578649c868e211a3cb6eff6ed538fe891ae067bfc4cc1b9f84772b9faabd",
    ),
    both(
        0x0870_1034,
        "c31409a89c3f8d839b4ca5b7648b915d856a39261e1441a875eaa6f9c9d1ea2b",
    ),
    linux(
        0x08a0_0008,
        "d72a93dc052fa56e0c612c079f38e98eef7d2a054d56af72e756476e6027d58c",
    ),
    both(
        0x08a0_000a,
        "73312622d4f9ee3c0706e7b9add872443331aa7dc3670edb47b5aabcf5bbd920",
    ),
    linux(
        0x0a00_104c,
        "3c8afe0462d86dbea714286475c0a376b7920b970a8e9c5b1bc89d3a1e813d3b",
    ),
    linux(
        0x0a00_104e,
        "c4358267d286e5b2fd691238c877bae070f9778910a6744e565813f58470280b",
    ),
    linux(
        0x0a00_1053,
        "920ef469103bf99d311ba699087dd7257e1e89ba358daccb3ab4df5812cfc0c3",
    ),
    linux(
        0x0a00_1058,
        "337da9b54e621336ef66c9bd0aa63b19cbf5c2c3554720ec1f7ba1440e8ea4b2",
    ),
    linux(
        0x0a00_1075,
        "390282d07c2643e926a3d996f730130a8a0eace71ddce20fcb9e8dbcd2a244e0",
    ),
    linux(
        0x0a00_1078,
        "2d67c735caef2f254c45933f36018ccea85b07d3c1353c0420a2fcdce6ce263e",
    ),
    linux(
        0x0a00_1079,
        "43e2059cfdb75beb5be9eb3b96f4e49373453eac8d3be4db1031c1e4a2d05a8a",
    ),
    both(
        0x0a00_107a,
        "5f92caffc359225f02a0913b4a4510fd19e18a6d9a92c13f7578ac78031ddb18",
    ),
    linux(
        0x0a00_1143,
        "56caf7438a4c4680ecdee59c50849a4227e551848f19c08d0c25b4b08f10f3f8",
    ),
    linux(
        0x0a00_1144,
        "42d59ba7d615294161c4723ff306784b65f30efa9c87de25bdb39af4751353dc",
    ),
    linux(
        0x0a00_115d,
        "d4c44936890b47ddfb2f883b5ff28e75c66c375a9025943e369cae02386cf505",
    ),
    linux(
        0x0a00_1173,
        "28bb9bd1a0a07e3a5920c0a9b25cc3355389e14c932f1dc3e5f7f3c89b61aa9e",
    ),
    linux(
        0x0a00_11a8,
        "97c6166599a4853bf6ceaa494a3ac5b67825bc53af5dcff42312bbb1bc8a022e",
    ),
    linux(
        0x0a00_11ce,
        "cf1c90a3850abf71940e8086854fd786ae3823282b359b4efeb8cd3d3d39c96a",
    ),
    linux(
        0x0a00_11d1,
        "df0ecadef6ce5c1e4cecd77183cca809c7c5feb2f705d2c512dde4f3921c3db8",
    ),
    linux(
        0x0a00_11d3,
        "91e610d757b0950b9a24eef7cf56c1a64a527d5f9fdff60065f7eae82a88e226",
    ),
    both(
        0x0a00_11d5,
        "ed6989f4eb64c213e0511f0326527db7935d65cab8121d620d5b653469b26221",
    ),
    both(0x0a00_11d7, ""),
    linux(
        0x0a00_1223,
        "fb325fc6834f8cb8a405f971530116c4837594ddeb7eb7158e3b50298a9ccc45",
    ),
    linux(
        0x0a00_1224,
        "0e0cdfb489ee3525dd9edbc069830aad26a9aa9dfc3ceaf96cdcd56d8b6e854a",
    ),
    linux(
        0x0a00_1227,
        "abc600694b5087ad5f0e8bea5738ce1d0f752602f6d696e987b9d620277cd2e0",
    ),
    linux(
        0x0a00_1229,
        "7f49494846a550a6288998e29eb47f7533a70402e482bfb4a53aba248d31101d",
    ),
    linux(
        0x0a00_122e,
        "5694a95d0668feafdf7aff2ddf740f1566fb00b551979bfacb79854625b4d210",
    ),
    linux(
        0x0a00_1231,
        "0b46a5fc1815a09ea6dcb7ff17f73064d4da9e1bc3fc023be2c60e4154b518dd",
    ),
    linux(
        0x0a00_1234,
        "888dedabb5bd4ef77fd40e953491ffccfb2acdf7d5db4c9bd62e73508f83791a",
    ),
    linux(
        0x0a00_1236,
        "3d3000b971ba8778a84355c42659cf9d93ce640e8b72118ba38f51e9ca98aa25",
    ),
    both(
        0x0a00_1238,
        "72f74b0c7d5865cc00cc57166816f82a1bb38be1b6838c7ec0cd33f28df9ef59",
    ),
    both(0x0a00_123b, ""),
    both(
        0x0a00_820c,
        "a80c81c0a600e7f35f65d3b96fea9363f18c8845d78280d1e13b8db2f82203e2",
    ),
    both(
        0x0a00_820d,
        "f92ac0f49ea487a47d8700fdabda19ca265132c15791dfc105eb017c5a9521b7",
    ),
    linux(
        0x0a10_113e,
        "053c66d7a95a33101bf89c8fedfca7a015e33f4b1d0d0ad5fa90c4ed9d90af53",
    ),
    linux(
        0x0a10_1144,
        "b30b269af87c0226358453a4d32c7c09687b96b693efdebcfd4b15d281d35147",
    ),
    both(
        0x0a10_1148,
        "20d56f404af64890c2939ac2fdacef4ffac03d923c6d0108f15eb0deb498aec4",
    ),
    both(0x0a10_114c, ""),
    linux(
        0x0a10_123e,
        "03b92c764893c918fb56fdf7e21dca4d1d135363fe426ffc190ff1fca7dd891b",
    ),
    linux(
        0x0a10_1244,
        "7156b59f21bfb33c8cd736d034521bb1462f04f037d81e7224a28084836584c0",
    ),
    both(
        0x0a10_1248,
        "ed3b95a668a7773efc1726e27bd556222c1defeb56ddba6e1b7d649d4b531375",
    ),
    both(0x0a10_124c, ""),
    both(
        0x0a10_8108,
        "edc2eca115c665e9d0ef39aa7f5506c6f5d43f7b14d5602c281e9c5969994d16",
    ),
    both(
        0x0a10_8109,
        "85b4bd7c49a7bdfa49368081c5b7391b9aaa50de9be93235427e514f522c2859",
    ),
    both(
        0x0a20_102d,
        "f96ef232d30f5f1159a1fecccd9b42898b892fb5bb82ef238ce9193ecc3f7bb4",
    ),
    both(
        0x0a20_102e,
        "be1f32040d3c9cdde1a4bf763aecc2f61100a7af0fe502c5543a1f8c16b5ffbe",
    ),
    both(
        0x0a20_1210,
        "e86d516a8e72f3fe6e16bc62594017e96d3d0e6ba7ace368f755f013bb22f641",
    ),
    both(
        0x0a20_1211,
        "69a117ecd0f66c95e21ec5591a520a27c4edd5591fbf00ff0888b5e112b6cc27",
    ),
    both(
        0x0a40_4107,
        "bb044e47dd5e26451ac95624a44c82b08b0d9ff93adfc68113bcc525e4c5c399",
    ),
    both(
        0x0a40_4108,
        "69674306f80c62dca421304f0f212ccbcc37f11cc3f82f19df535346b115ea00",
    ),
    both(
        0x0a50_0011,
        "233d707d03c3c4f42b82c605da800af1d75b653a7dabdfa2115e967e71e9fc74",
    ),
    both(
        0x0a50_0012,
        "eb740d47a18e09e4934cad03324c38161039dd06aaced60f62839d8e6455be63",
    ),
    both(
        0x0a60_1209,
        "6648d40905cb293266b79a76cd11f3301586cc5d970fc046e873e2d6dbd2771d",
    ),
    both(
        0x0a60_120a,
        "0c8b3dfd5252857d203ae17ea4213b7b1786aeac13b8639d0601d0a0519a912c",
    ),
    both(
        0x0a70_4107,
        "f3c65826eeac3fd6cea172473bba2b932aad8e6bea9bb7c26439718ccee74139",
    ),
    both(
        0x0a70_4108,
        "d755152bfec4bc93ec91a0ae45b7c3984eff617788c27049e03a1d843852bf5a",
    ),
    both(
        0x0a70_5206,
        "8dc076bd589f8fa4129d21fb4821bce7676f0418ae20874b0335e9befb06dffc",
    ),
    both(
        0x0a70_5208,
        "301d5524bc6b5a190c7d1d74aad1ebd21662f75be11f18115cf0949026ec69ff",
    ),
    both(
        0x0a70_8007,
        "6b76cc78c58aa3e3322d79e4c380dbb207aa3ae057137280df927384873c7393",
    ),
    both(
        0x0a70_8008,
        "086ef0224b8ec4465834e647a228fdab223dddd8529e1d16fa016814793ee86b",
    ),
    both(
        0x0a70_c005,
        "885dfb7964d8463b4a838e777ecfb30f1f1ff197ebfe5655ee49ace18b13c513",
    ),
    both(
        0x0a70_c008,
        "0fdb37a110afd421940da4a2e9866c0e857c3630a33a78661810600d783d44d0",
    ),
    both(
        0x0aa0_0116,
        "e84c2c88a1ac246365e5aa2d16a9c3f5fe1d5e65c7aa924d91ee76bb4c6678c9",
    ),
    linux(
        0x0aa0_0212,
        "bd575d0a0a30c17595585e9302284371ed4229c8ec342bb21a654bfe070f34a1",
    ),
    linux(
        0x0aa0_0213,
        "ed58b776817fd93a1aff8b34b84a990f28496c562bdcb7ed96d59dc17ad4519b",
    ),
    both(
        0x0aa0_0215,
        "55d328cb87a932e94e854b7c6bd57cd41b51713a0e0bdc9b682f46eefec66def",
    ),
    both(0x0aa0_0216, ""),
];
