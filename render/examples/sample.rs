//! A sample picture: two halls of a workshop with shelves, benches and conveyor belts.
//!
//! `cargo run -p delid-render --example sample > sample.svg`; with the argument `html`, the page; with
//! the feature and the argument `png`, the picture in pixels.

use render::layout::{check, layout};
use render::scene::{Badge, Ink, Item, Line, Pipe, Role, Scene, Span};

fn header() -> Item {
    Item::leaf(Role::Plain)
        .line(Line::bold(22.0, "Workshop 4124").span(Span::muted(
            14.0,
            "plan B-2 · revision 2.0 (03/12/2021) · 2 halls · 64 benches / 128 seats · 512 bins in 16 of 32 shelves",
        )))
        .line(Line::muted(
            12.0,
            "seen 2023-08 · sources: plan ✓ · stock list ✓ · distances ✗ not at hand · visit ✗",
        ))
}

fn findings() -> Item {
    let found = |badge: Badge, text: &str| Item::leaf(Role::Plain).badge(badge).line(Line::text(13.0, text));
    let fine = |text: &str| {
        Item::leaf(Role::Plain)
            .line(Line::text(12.5, text).ink(Ink::Good))
            .min_height(22.0)
    };
    Item::row(vec![
        Item::column(vec![
            found(
                Badge::bad("1"),
                "Belt 9 (gate 00:01.1): runs at step 8 ×16, gate and belt can do 16 ×16 → 15.8 of 31.5 m/min",
            ),
            found(
                Badge::bad("2"),
                "Belts 2 and 5 share lift c0:01.1: 2 × 31.5 m/min behind one 31.5 m/min gate (2:1)",
            ),
            found(
                Badge::warn("3"),
                "Both offices are in hall 1 while 5 of 9 machines are in hall 2: papers cross the bridge",
            ),
        ])
        .gap(0.0)
        .share(2.0),
        Item::column(vec![
            fine("✓ stock balanced: 8 of 8 aisles in both halls, same size"),
            fine("✓ shelves move at their rated 3200"),
        ])
        .gap(0.0),
    ])
    .role(Role::Alert)
    .padding(6.0)
    .title("findings, worst first")
}

fn bench(hall: usize, n: usize) -> Item {
    Item::leaf(Role::Cell)
        .id(format!("bench-{n}"))
        .title(format!("bench {n}, seats {n} and {}, hall {hall}", n + 64))
        .line(Line::bold(16.0, n.to_string()).center())
        .line(Line::muted(9.5, format!("+{}", n + 64)).center())
        .min_width(36.0)
}

fn team(hall: usize, first: usize) -> Item {
    Item::column(vec![
        Item::grid(2, (first..first + 4).map(|n| bench(hall, n)).collect()).gap(5.0),
        Item::leaf(Role::Shade)
            .title("store of 16 for 4 benches")
            .line(Line::text(11.0, "store 16").center())
            .padding(5.0),
    ])
    .gap(8.0)
}

fn benches(hall: usize, first: usize) -> Item {
    let group = |g: usize| {
        Item::row(vec![team(hall, first + g * 8), team(hall, first + g * 8 + 4)])
            .gap(10.0)
            .role(Role::Group)
            .title(format!("group {g}"))
            .line(Line::bold(11.0, format!("Group {g}")))
    };
    Item::grid(2, (0..4).map(group).collect())
        .gap(8.0)
        .role(Role::Area)
        .title("benches")
        .line(Line::muted(
            10.5,
            "bench: tray 32+32, drawer 512 · store 16 per 4 benches · number = seat, +n = second seat",
        ))
        .share(2.2)
}

fn shelves(hall: usize, mirrored: bool) -> Item {
    let row = |letter: char| {
        let id = |n: usize| format!("S{hall}-{letter}{n}");
        let full = Item::leaf(Role::Memory)
            .id(id(2))
            .title(format!("{}: 32 bins, 3200", id(2)))
            .line(Line::text(9.5, format!("S{hall}-SHELF{letter}2")).center())
            .line(Line::text(9.5, "32 bins 3200 2R").center())
            .padding(2.0);
        let empty = Item::leaf(Role::Empty)
            .id(id(1))
            .title(format!("{}: empty", id(1)))
            .line(Line::faint(9.5, format!("S{hall}-SHELF{letter}1")).center())
            .line(Line::faint(9.5, "empty").center())
            .padding(2.0);
        let name = Item::leaf(Role::Plain)
            .line(Line::bold(14.0, letter.to_string()).ink(Ink::Muted))
            .fixed(16.0);
        let mut parts = vec![name, empty, full];
        if mirrored {
            parts.reverse();
        }
        Item::row(parts).grow()
    };
    Item::column(('A'..='H').map(row).collect())
        .line(Line::bold(12.5, format!("Stock {}: 256 bins · 204.8 m/min", hall - 1)))
        .gap(10.0)
}

fn hall(n: usize) -> Item {
    let mirrored = n == 2;
    let mut parts = vec![shelves(n, mirrored), benches(n, (n - 1) * 32)];
    if mirrored {
        parts.reverse();
    }
    Item::row(parts)
        .gap(14.0)
        .role(Role::Frame)
        .id(format!("hall-{n}"))
        .title(format!("Hall {n}"))
        .line(Line::bold(17.0, format!("Hall {n}")).span(Span::muted(
            13.0,
            format!(
                "Model 7452 · 32b/64s · step 2.35–3.35 · rule 0x830107a · stock {}",
                n - 1
            ),
        )))
}

fn bridge() -> Item {
    Item::links(3, 7.0)
        .fixed(52.0)
        .gap(4.0)
        .title("bridge of 3 lanes")
        .line(Line::bold(12.0, "bridge").ink(Ink::Interconnect).center())
        .footer_line(Line::text(10.0, "3 lanes").ink(Ink::Interconnect).center())
        .footer_line(Line::text(10.0, "dist 32").ink(Ink::Interconnect).center())
}

fn gate(name: &str, speed: &str, bad: bool) -> Item {
    let ink = if bad { Ink::Bad } else { Ink::Muted };
    Item::leaf(if bad { Role::Bad } else { Role::Port })
        .title(format!("gate {name}: {speed}"))
        .line(Line::bold(11.0, name).center())
        .line(Line::text(10.0, speed).ink(ink).center())
        .padding(2.0)
        .fixed(88.0)
}

fn belt(solid: f32, bad: bool) -> Item {
    Item::pipe(Pipe::new(solid, 20.0, 0.0).bad(bad))
        .title("belt")
        .min_height(16.0)
}

fn machine(role: Role, name: &str, lines: &[&str], foot: &str) -> Item {
    Item::leaf(role)
        .id(name.replace(' ', "-"))
        .title(format!("{name}\n{}", lines.join("\n")))
        .line(Line::bold(13.0, name).center())
        .lines(lines.iter().map(|l| Line::text(11.0, *l).center()))
        .footer_line(Line::muted(10.5, foot).center())
        .min_height(110.0)
}

fn side(item: Item) -> Item {
    Item::row(vec![Item::space(), item, Item::space()]).gap(0.0)
}

fn way(bus: &str, gate_: Item, solid: f32, bad: bool, machine: Item) -> Item {
    Item::column(vec![
        Item::leaf(Role::Bus)
            .title(format!("way {bus}"))
            .line(Line::text(10.5, bus))
            .padding(4.0),
        belt(solid, bad),
        side(gate_),
        belt(solid, bad),
        machine,
    ])
    .gap(0.0)
}

fn machines() -> Item {
    let press = |name: &str, id: &str| machine(Role::CardA, name, &["Press A5000", "step 4 ×16"], id);
    let lift = Item::column(vec![
        Item::leaf(Role::Warn)
            .id("lift")
            .title("lift 2:1")
            .badge(Badge::bad("2"))
            .line(Line::bold(12.0, "Lift 88096 · 2:1").ink(Ink::Warn).center()),
        Item::row(
            [("Belt 2", "c1:00.0"), ("Belt 5", "c2:00.0")]
                .map(|(n, id)| Item::column(vec![belt(20.0, false), press(n, id)]).gap(0.0))
                .to_vec(),
        ),
    ])
    .gap(0.0);
    Item::row(vec![
        way(
            "way 00–1f",
            gate("00:01.1", "15.8 of 31.5", true),
            10.0,
            true,
            machine(
                Role::Bad,
                "Belt 9",
                &["Press A5000", "belt step 4 ×16", "runs step 3 ×16"],
                "01:00.0 · stock 0 · set 42",
            )
            .badge(Badge::bad("1")),
        ),
        way(
            "20–3f",
            gate("20:01.1", "31.5 m/min", false),
            20.0,
            false,
            machine(Role::CardC, "Belt 10", &["Store card", "4 × 3.84"], "25:00.0"),
        ),
        way(
            "40–5f",
            gate("40:01.1", "31.5 m/min", false),
            20.0,
            false,
            press("Belt 8", "41:00.0"),
        ),
        way(
            "60–7f",
            gate("60:03.1", "3.9 m/min", false),
            2.5,
            false,
            machine(Role::CardB, "office", &["2 × desk"], "63:00.0").badge(Badge::warn("3")),
        ),
        way(
            "80–9f",
            gate("80:01.1", "31.5 m/min", false),
            20.0,
            false,
            press("Belt 3", "81:00.0"),
        ),
        way("c0–df", gate("c0:01.1", "31.5 m/min", false), 20.0, false, lift).share(1.4),
        way(
            "e0–ff",
            gate("e0:01.1", "31.5 m/min", false),
            20.0,
            false,
            press("Belt 1", "e1:00.0"),
        ),
        Item::leaf(Role::Empty)
            .title("place 6: empty")
            .line(Line::faint(12.0, "place 6"))
            .line(Line::faint(10.5, "empty"))
            .fixed(80.0),
    ])
}

fn legend() -> Item {
    let scale = |px: f32, text: &str| {
        Item::row(vec![
            Item::bar(Pipe::new(px, px, 10.0)).fixed(px.max(4.0)),
            Item::leaf(Role::Plain).line(Line::muted(11.0, text)).content(),
        ])
        .content()
        .gap(8.0)
    };
    let chip = |role: Role, text: &str| {
        Item::leaf(role)
            .title(text)
            .line(Line::text(10.0, text).center())
            .padding(4.0)
            .content()
    };
    Item::row(vec![
        Item::leaf(Role::Plain)
            .line(Line::bold(11.5, "Width of a belt is drawn to scale"))
            .content(),
        scale(4.7, "×4 3.9"),
        scale(19.0, "×16 15.8"),
        scale(37.8, "×16 31.5"),
        chip(Role::Memory, "full"),
        chip(Role::Empty, "empty"),
        chip(Role::ChipSolid, "1 hop"),
        chip(Role::ChipDashed, "2 hops"),
        Item::leaf(Role::Plain)
            .badge(Badge::bad("n"))
            .line(Line::muted(11.0, "finding, listed at the top"))
            .content(),
    ])
    .gap(18.0)
    .role(Role::Panel)
    .title("legend")
}

fn band() -> Item {
    Item::row(vec![
        Item::ring((0..8).map(|n| n.to_string()).collect(), vec![(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (7, 0), (0, 4), (1, 6)])
            .title("ring")
            .min_height(130.0)
            .fixed(190.0),
        Item::grid(4, (0..8).map(|n| Item::leaf(Role::Heat(n % 5)).title("heat").line(Line::text(10.0, "21").center())).collect()).gap(1.0).fixed(130.0),
        Item::leaf(Role::Plain)
            .line(Line::bold(12.0, "How to read it"))
            .line(Line::muted(11.0, "Only direct lanes are drawn as lines. Each hall repeats its own row of the table as chips, always in the same order, so that a short look is enough.").wrapped())
            .fixed(320.0),
    ])
    .gap(30.0)
    .role(Role::Panel)
    .title("bridges")
    .line(Line::bold(12.5, "Bridges").ink(Ink::Interconnect))
}

fn main() {
    let scene = Scene::new("Workshop 4124", 1680.0)
        .description("Two halls with their shelves, benches and belts")
        .section("", header())
        .section("Findings", findings())
        .section("Halls", Item::row(vec![hall(1), bridge(), hall(2)]).gap(0.0))
        .section("Belts", machines())
        .section("Bridges", band())
        .section("Legend", legend());
    let placed = layout(&scene);
    for fault in check(&placed) {
        eprintln!("{fault:?}");
    }
    match std::env::args().nth(1).as_deref() {
        Some("html") => print!("{}", render::html::html(&placed)),
        #[cfg(feature = "png")]
        Some("png") => {
            use std::io::Write as _;
            let written = render::png::png(&render::svg::svg(&placed), 1.0)
                .map_err(|e| e.to_string())
                .and_then(|bytes| std::io::stdout().write_all(&bytes).map_err(|e| e.to_string()));
            if let Err(e) = written {
                eprintln!("{e}");
            }
        }
        _ => print!("{}", render::svg::svg(&placed)),
    }
}
