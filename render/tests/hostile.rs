//! Random and hostile scenes: the checker finds no fault, the SVG is well formed, bytes repeat.

use proptest::prelude::*;
use render::layout::{check, layout};
use render::scene::{Align, Badge, Body, Ink, Item, Line, Pipe, Role, Scene, Severity, Span, Width};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => "[A-Za-z0-9 .:/×–-]{0,14}",
        2 => "[A-Za-z0-9 ]{0,80}",
        1 => "\\PC{0,20}",
        1 => Just("<script>&\"'\u{0}\u{1b}[31m\u{202e}\u{ffff}\n\r\t".to_owned()),
        1 => Just("שלום עולם 漢字 😀👩‍👩‍👧".to_owned()),
    ]
}

fn span() -> impl Strategy<Value = Span> {
    (text(), 0.0f32..24.0, any::<bool>()).prop_map(|(text, size, bold)| Span {
        text,
        size,
        bold,
        ink: Ink::Normal,
    })
}

fn line() -> impl Strategy<Value = Line> {
    let align = prop_oneof![Just(Align::Start), Just(Align::Middle), Just(Align::End)];
    let spans = prop::collection::vec(span(), 0..4);
    let right = prop::collection::vec(span(), 0..2);
    (spans, align, right, prop::bool::weighted(0.2)).prop_map(|(spans, align, right, wrap)| Line {
        spans,
        right: if align == Align::Start { right } else { vec![] },
        align,
        wrap,
    })
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![
        4 => Just(Role::Plain),
        1 => Just(Role::Frame),
        1 => Just(Role::Group),
        1 => Just(Role::Cell),
        1 => Just(Role::CardA),
        1 => Just(Role::Missing),
        1 => Just(Role::ChipSolid),
        1 => Just(Role::Heat(9)),
    ]
}

fn width() -> impl Strategy<Value = Width> {
    prop_oneof![
        3 => Just(Width::Fill),
        1 => (0.0f32..4.0).prop_map(Width::Share),
        1 => (0.0f32..900.0).prop_map(Width::Fixed),
        2 => Just(Width::Content),
        1 => Just(Width::Fixed(f32::NAN)),
    ]
}

fn pipe() -> impl Strategy<Value = Pipe> {
    (0.0f32..60.0, 0.0f32..80.0, 0.0f32..40.0, any::<bool>(), 0usize..20).prop_map(
        |(solid, pale, extent, bad, count)| Pipe {
            solid,
            pale,
            extent,
            bad,
            count,
        },
    )
}

fn leaf_body() -> impl Strategy<Value = Body> {
    prop_oneof![
        6 => Just(Body::Leaf),
        1 => pipe().prop_map(Body::Pipe),
        1 => pipe().prop_map(Body::Bar),
        1 => (0usize..6, 0.0f32..9.0).prop_map(|(count, thickness)| Body::Lines { count, thickness }),
        1 => (prop::collection::vec(text(), 0..9), prop::collection::vec((0usize..9, 0usize..9), 0..9))
            .prop_map(|(nodes, edges)| Body::Ring { nodes, edges }),
    ]
}

fn item(body: impl Strategy<Value = Body>) -> impl Strategy<Value = Item> {
    let lines = prop::collection::vec(line(), 0..4);
    let footer = prop::collection::vec(line(), 0..2);
    let badge = ("[0-9]{1,3}", any::<bool>()).prop_map(|(text, bad)| Badge {
        text,
        severity: if bad { Severity::Bad } else { Severity::Warn },
    });
    let badges = prop_oneof![3 => Just(vec![]), 1 => prop::collection::vec(badge, 1..4)];
    let sizes = (
        0.0f32..20.0,
        0.0f32..20.0,
        0.0f32..80.0,
        0.0f32..300.0,
        prop::bool::weighted(0.1),
    );
    (body, lines, footer, role(), badges, width(), sizes).prop_map(|(body, lines, footer, role, badges, width, s)| {
        Item {
            title: "title <&>\nsecond line".to_owned(),
            role,
            lines,
            body,
            footer,
            badges,
            width,
            padding: s.0,
            gap: s.1,
            min_height: s.2,
            min_width: s.3,
            grow: s.4,
            ..Item::default()
        }
    })
}

fn tree() -> impl Strategy<Value = Item> {
    item(leaf_body()).prop_recursive(4, 60, 6, |inner| {
        let children = prop::collection::vec(inner, 0..6);
        let body = prop_oneof![
            children.clone().prop_map(Body::Column),
            children.clone().prop_map(Body::Row),
            (0usize..5, children).prop_map(|(columns, items)| Body::Grid { columns, items }),
        ];
        item(body)
    })
}

fn scene(width: f32, items: Vec<Item>) -> Scene {
    items
        .into_iter()
        .fold(Scene::new("random", width), |scene, item| scene.section("part", item))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_random_scene_has_a_fault(items in prop::collection::vec(tree(), 1..4)) {
        for width in [1680.0, 1180.0, 300.0] {
            let placed = layout(&scene(width, items.clone()));
            let faults = check(&placed);
            prop_assert!(faults.is_empty(), "at width {width}: {faults:?}");
            let svg = render::svg::svg(&placed);
            prop_assert!(roxmltree::Document::parse(&svg).is_ok());
        }
    }

    #[test]
    fn the_same_scene_gives_the_same_bytes(items in prop::collection::vec(tree(), 1..3)) {
        let scene = scene(1180.0, items);
        prop_assert_eq!(render::svg::svg(&layout(&scene)), render::svg::svg(&layout(&scene.clone())));
    }
}
