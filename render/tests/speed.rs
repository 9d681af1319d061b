//! A page of 5 000 boxes is laid out and printed fast. The bound holds for release builds and is wide
//! for others, so that a busy machine does not fail the test.

use std::time::{Duration, Instant};

use render::layout::{check, layout};
use render::scene::{Item, Line, Role, Scene, Span};

fn big() -> Scene {
    let cell = |n: usize| {
        Item::leaf(Role::Cell)
            .id(format!("c{n}"))
            .title(format!("cell {n}\nsecond {}", n + 5000))
            .line(Line::bold(12.0, n.to_string()).center())
            .line(
                Line::muted(9.0, format!("+{}", n + 5000))
                    .span(Span::new(9.0, "more"))
                    .center(),
            )
    };
    let group = |g: usize| {
        Item::grid(10, (g * 100..g * 100 + 98).map(cell).collect())
            .role(Role::Group)
            .title("group")
            .line(Line::bold(11.0, format!("Group {g}")).right(Span::muted(10.0, "98 cells")))
    };
    let groups = Item::grid(2, (0..50).map(group).collect())
        .role(Role::Frame)
        .title("all");
    Scene::new("big", 1680.0).section("All", groups)
}

#[test]
fn five_thousand_boxes_are_printed_in_time() {
    let scene = big();
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        let placed = layout(&scene);
        let svg = render::svg::svg(&placed);
        best = best.min(start.elapsed());
        assert!(placed.boxes.len() > 4_900 && svg.len() > 500_000);
    }
    eprintln!("{best:?} for 4 951 boxes");
    assert!(
        best < Duration::from_millis(if cfg!(debug_assertions) { 2_000 } else { 60 }),
        "{best:?}"
    );
    assert_eq!(check(&layout(&scene)), []);
}
