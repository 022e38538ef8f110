//! Colours, spacings and type of both looks; the one place that names a colour.
//!
//! Quiet greys, one accent, a colour per system or method that is the same everywhere (chip, curve,
//! token, table row) and safe for colour-blind eyes (Okabe and Ito's palette, darkened on light).

use std::sync::Arc;

use eframe::egui::{
    self, Color32, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, FontTweak, Margin,
    RichText, Shadow, Stroke, TextStyle, style::WidgetVisuals, vec2,
};

use crate::{
    domain::Method,
    plot,
    settings::{Appearance, ColorMap, Theme},
};

/// Between things that belong together.
pub const TIGHT: f32 = 4.0;
/// Between one thing and the next.
pub const GAP: f32 = 8.0;
/// Inside cards.
pub const PAD: f32 = 12.0;
/// Between groups, and around a page.
pub const WIDE: f32 = 16.0;
/// Of cards, buttons and fields.
pub const RADIUS: u8 = 6;
/// Around what has the keyboard's focus.
const FOCUS_RING: f32 = 1.5;
/// The semibold face, bound by [`install`] only; reached through [`TextStyle::Heading`].
const SEMIBOLD: &str = "semibold";
/// The last face of every family.
const EMOJI: &str = "Noto Emoji";
/// Size of an emoji beside the letters; at their size it stands above and below the line.
const EMOJI_SCALE: f32 = 0.85;

/// A colour with a meaning, for either look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hue {
    /// The one accent: selection, the primary button, focus.
    Accent,
    /// Text on the accent.
    OnAccent,
    /// Text of first rank.
    Text,
    /// Fundamental frequency.
    Pitch,
    /// Energy.
    Energy,
    /// Waveforms.
    Wave,
    /// The play cursor.
    Playhead,
    /// Something went wrong.
    Bad,
    /// Something is as it should be.
    Good,
    /// Something needs a look.
    Warn,
    /// Text and lines of second rank.
    Muted,
    /// The page itself.
    Page,
    /// A panel that stands a little above the page.
    Raised,
    /// Where text is typed and plots are drawn.
    Field,
    /// Buttons, chips, the track of a progress bar.
    Control,
    /// Hairlines between things.
    Line,
    /// Speculation: tokens drafted and accepted.
    Drafted,
    /// Latency curves.
    Latency,
    /// Throughput curves.
    Throughput,
}

/// The colour of a meaning in the look that is on.
pub fn color(hue: Hue, visuals: &egui::Visuals) -> Color32 {
    let [dark, light] = match hue {
        Hue::Accent | Hue::Wave | Hue::Latency => [[86, 180, 233], [0, 104, 164]],
        Hue::OnAccent => [[10, 20, 28], [255, 255, 255]],
        Hue::Text => [[226, 228, 233], [32, 34, 40]],
        Hue::Pitch | Hue::Throughput | Hue::Good => [[0, 190, 140], [0, 116, 86]],
        Hue::Energy | Hue::Warn => [[230, 159, 0], [140, 86, 0]],
        Hue::Playhead => [[255, 255, 255], [20, 20, 24]],
        Hue::Bad => [[240, 120, 92], [184, 54, 16]],
        Hue::Muted => [[156, 159, 168], [92, 95, 104]],
        Hue::Page => [[24, 25, 28], [247, 247, 249]],
        Hue::Raised => [[33, 34, 39], [255, 255, 255]],
        Hue::Field => [[17, 18, 20], [255, 255, 255]],
        Hue::Control => [[47, 49, 56], [230, 231, 236]],
        Hue::Line => [[54, 56, 63], [212, 213, 219]],
        Hue::Drafted => [[214, 138, 180], [152, 62, 112]],
    };
    let [r, g, b] = if visuals.dark_mode { dark } else { light };
    Color32::from_rgb(r, g, b)
}

/// How many systems have a colour of their own; from there on colours come again.
pub const SYSTEM_COLORS: usize = 6;

/// The colour of the system that is `n`th in the library's order, the same on every page.
pub fn system_color(n: usize, visuals: &egui::Visuals) -> Color32 {
    let [dark, light] = match n % SYSTEM_COLORS {
        0 => [[86, 180, 233], [0, 104, 164]],
        1 => [[230, 159, 0], [140, 86, 0]],
        2 => [[0, 190, 140], [0, 116, 86]],
        3 => [[214, 138, 180], [152, 62, 112]],
        4 => [[240, 228, 66], [112, 100, 0]],
        _ => [[240, 120, 92], [184, 54, 16]],
    };
    let [r, g, b] = if visuals.dark_mode { dark } else { light };
    Color32::from_rgb(r, g, b)
}

/// The colour of a way to speculate, the same on every page.
pub fn method_color(method: Method, visuals: &egui::Visuals) -> Color32 {
    let place = match method {
        Method::Eagle3 => 0,
        Method::Suffix => 1,
        Method::Draft => 2,
        Method::Ngram => 3,
        Method::Retrieval => 4,
    };
    system_color(place, visuals)
}

/// A colour map as evenly spaced stops, for swatches and colour bars.
pub fn color_map_stops(map: ColorMap) -> [Color32; 5] {
    let stops = match map {
        ColorMap::Magma => {
            [[0, 0, 4], [81, 18, 124], [183, 55, 121], [252, 137, 97], [252, 253, 191]]
        }
        ColorMap::Viridis => {
            [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]]
        }
        ColorMap::Greys => {
            [[0, 0, 0], [64, 64, 64], [128, 128, 128], [191, 191, 191], [255, 255, 255]]
        }
    };
    stops.map(|[r, g, b]| Color32::from_rgb(r, g, b))
}

/// Gives a context its fonts and both looks; once, before the first frame.
pub fn install(ctx: &egui::Context) {
    ctx.set_fonts(fonts());
    for theme in [egui::Theme::Dark, egui::Theme::Light] {
        ctx.set_visuals_of(theme, visuals(theme));
        ctx.style_mut_of(theme, shape);
    }
}

/// Follows the settings; cheap when nothing changed.
pub fn apply(ctx: &egui::Context, appearance: &Appearance) {
    let preference = match appearance.theme {
        Theme::Dark => egui::ThemePreference::Dark,
        Theme::Light => egui::ThemePreference::Light,
        Theme::System => egui::ThemePreference::System,
    };
    if ctx.options(|options| options.theme_preference) != preference {
        ctx.set_theme(preference);
    }
    ctx.set_zoom_factor(appearance.zoom.clamp(MIN_ZOOM, MAX_ZOOM));
}

/// Smallest scale of the window that can still be read.
pub const MIN_ZOOM: f32 = 0.5;
/// Largest scale at which a page still fits a screen.
pub const MAX_ZOOM: f32 = 3.0;

/// A raised block of content, as wide as there is room.
pub fn card<R>(ui: &mut egui::Ui, add_contents: impl FnOnce(&mut egui::Ui) -> R) -> R {
    egui::Frame::new()
        .fill(color(Hue::Raised, ui.visuals()))
        .stroke(Stroke::new(1.0, color(Hue::Line, ui.visuals())))
        .corner_radius(CornerRadius::same(RADIUS))
        .inner_margin(Margin::same(PAD as i8))
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            add_contents(ui)
        })
        .inner
}

/// The title of a group of things.
pub fn section(ui: &mut egui::Ui, title: &str) -> egui::Response {
    let text = RichText::new(title).heading().size(13.5).color(color(Hue::Text, ui.visuals()));
    ui.label(text)
}

/// Text of second rank.
pub fn muted(text: impl Into<String>, visuals: &egui::Visuals) -> RichText {
    RichText::new(text).color(color(Hue::Muted, visuals))
}

/// Small text of second rank: captions, units, hints.
pub fn caption(text: impl Into<String>, visuals: &egui::Visuals) -> RichText {
    muted(text, visuals).small()
}

/// A measured figure under its name, with its unit; the tooltip tells how it is computed.
pub fn figure(
    ui: &mut egui::Ui,
    label: &str,
    value: &str,
    unit: &str,
    tooltip: &str,
) -> egui::Response {
    let name = caption(label, ui.visuals());
    let value = RichText::new(value).monospace().color(color(Hue::Text, ui.visuals()));
    let unit = caption(unit, ui.visuals());
    let figure = ui.vertical(|ui| {
        ui.spacing_mut().item_spacing = vec2(TIGHT, 2.0);
        // A row of text, not of buttons.
        ui.spacing_mut().interact_size.y = 0.0;
        ui.label(name);
        ui.horizontal(|ui| {
            ui.label(value);
            ui.label(unit);
        });
    });
    if tooltip.is_empty() { figure.response } else { figure.response.on_hover_text(tooltip) }
}

/// Keys as they stand on the keyboard, on a small plate.
pub fn key_hint(ui: &mut egui::Ui, keys: &str) -> egui::Response {
    let plate = Plate {
        ink: color(Hue::Muted, ui.visuals()),
        fill: color(Hue::Control, ui.visuals()),
        stroke: Stroke::NONE,
        radius: 4,
    };
    plate.ui(ui, keys, FontId::monospace(11.0))
}

/// A small label in a frame of its own colour: a kind, a state.
pub fn chip(ui: &mut egui::Ui, text: &str, hue: Hue) -> egui::Response {
    let ink = color(hue, ui.visuals());
    let stroke = Stroke::new(1.0, ink.gamma_multiply(0.6));
    let plate = Plate { ink, fill: Color32::TRANSPARENT, stroke, radius: 9 };
    let font = TextStyle::Small.resolve(ui.style());
    plate.ui(ui, text, font)
}

/// What a few words stand on.
struct Plate {
    ink: Color32,
    fill: Color32,
    stroke: Stroke,
    radius: u8,
}

impl Plate {
    /// As high as the text, also in a row of buttons, where a frame would grow as high as they are.
    fn ui(self, ui: &mut egui::Ui, text: &str, font: FontId) -> egui::Response {
        let margin = vec2(6.0, 2.0);
        let galley = ui.painter().layout_no_wrap(text.to_owned(), font, self.ink);
        let size = galley.size() + 2.0 * margin;
        let (rect, response) = ui.allocate_exact_size(size, egui::Sense::hover());
        let radius = CornerRadius::same(self.radius);
        let inside = egui::StrokeKind::Inside;
        ui.painter().rect(rect, radius, self.fill, self.stroke, inside);
        ui.painter().galley(rect.min + margin, galley, self.ink);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, text));
        response
    }
}

/// A button for rows of small text.
pub fn small_button(text: &str) -> egui::Button<'static> {
    egui::Button::new(RichText::new(text).small()).small()
}

/// The one button of a page that stands out.
pub fn primary_button(text: &str, visuals: &egui::Visuals) -> egui::Button<'static> {
    let text = RichText::new(text).color(color(Hue::OnAccent, visuals));
    egui::Button::new(text).fill(color(Hue::Accent, visuals))
}

/// Inter for reading, Hack for figures, and for what these lack egui's own fonts and Noto Emoji, for
/// a reply is full of signs that are no letters.
fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let regular = plot::INTER;
    let semibold: &[u8] = include_bytes!("../../assets/fonts/Inter-SemiBold.otf");
    let emoji: &[u8] = include_bytes!("../../assets/fonts/NotoEmoji-Regular.ttf");
    let tweak = FontTweak { scale: EMOJI_SCALE, ..FontTweak::default() };
    fonts.font_data.insert("Inter".into(), Arc::new(FontData::from_static(regular)));
    fonts.font_data.insert("Inter SemiBold".into(), Arc::new(FontData::from_static(semibold)));
    fonts.font_data.insert(EMOJI.into(), Arc::new(FontData::from_static(emoji).tweak(tweak)));
    let proportional = fonts.families.entry(FontFamily::Proportional).or_default();
    proportional.insert(0, "Inter".into());
    proportional.push(EMOJI.into());
    let mut heading = proportional.clone();
    heading.insert(0, "Inter SemiBold".into());
    fonts.families.insert(FontFamily::Name(SEMIBOLD.into()), heading);
    // What Hack lacks (phonetic signs, arrows) is better taken from Inter than shown as a box.
    let monospace = fonts.families.entry(FontFamily::Monospace).or_default();
    monospace.extend(["Inter".into(), EMOJI.into()]);
    fonts
}

/// Type and spacing, the same in both looks.
fn shape(style: &mut egui::Style) {
    style.text_styles = [
        (TextStyle::Heading, FontId::new(20.0, FontFamily::Name(SEMIBOLD.into()))),
        (TextStyle::Body, FontId::proportional(13.5)),
        (TextStyle::Button, FontId::proportional(13.5)),
        (TextStyle::Small, FontId::proportional(11.5)),
        (TextStyle::Monospace, FontId::monospace(12.5)),
    ]
    .into();
    style.animation_time = 0.1;
    style.interaction.tooltip_delay = 0.4;
    let spacing = &mut style.spacing;
    spacing.item_spacing = vec2(GAP, 6.0);
    spacing.button_padding = vec2(10.0, 4.0);
    spacing.interact_size = vec2(32.0, 26.0);
    spacing.window_margin = Margin::same(PAD as i8);
    spacing.menu_margin = Margin::same(6);
    spacing.indent = WIDE;
    spacing.slider_width = 160.0;
    spacing.combo_width = 180.0;
    spacing.combo_height = 320.0;
    spacing.text_edit_width = 240.0;
    spacing.tooltip_width = 420.0;
    spacing.icon_width = 16.0;
    spacing.scroll = egui::style::ScrollStyle::thin();
}

/// The colours of one look.
fn visuals(theme: egui::Theme) -> egui::Visuals {
    let mut visuals = match theme {
        egui::Theme::Dark => egui::Visuals::dark(),
        egui::Theme::Light => egui::Visuals::light(),
    };
    let of = {
        let look = visuals.clone();
        move |hue| color(hue, &look)
    };
    let [control_hovered, control_active, selection, on_selection, code] = if visuals.dark_mode {
        [[60, 63, 71], [66, 70, 80], [27, 70, 99], [214, 236, 250], [44, 46, 52]]
    } else {
        [[218, 220, 226], [208, 211, 219], [199, 226, 243], [0, 62, 99], [236, 237, 241]]
    }
    .map(|[r, g, b]| Color32::from_rgb(r, g, b));
    let radius = CornerRadius::same(RADIUS);
    let hairline = Stroke::new(1.0, of(Hue::Line));
    let look = |fill, bg_stroke, ink| WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke,
        corner_radius: radius,
        fg_stroke: Stroke::new(1.0, ink),
        expansion: 0.0,
    };
    visuals.widgets.noninteractive = look(of(Hue::Page), hairline, of(Hue::Text));
    visuals.widgets.inactive = look(of(Hue::Control), hairline, of(Hue::Text));
    visuals.widgets.hovered = look(control_hovered, hairline, of(Hue::Text));
    // Also the look of whatever has the keyboard's focus.
    let ring = Stroke::new(FOCUS_RING, of(Hue::Accent));
    visuals.widgets.active = look(control_active, ring, of(Hue::Text));
    visuals.widgets.open = look(control_hovered, hairline, of(Hue::Text));
    visuals.selection.bg_fill = selection;
    visuals.selection.stroke = Stroke::new(FOCUS_RING, on_selection);
    visuals.hyperlink_color = of(Hue::Accent);
    visuals.weak_text_color = Some(of(Hue::Muted));
    visuals.panel_fill = of(Hue::Page);
    visuals.window_fill = of(Hue::Raised);
    visuals.window_stroke = hairline;
    visuals.window_corner_radius = radius;
    visuals.menu_corner_radius = radius;
    visuals.extreme_bg_color = of(Hue::Field);
    visuals.text_edit_bg_color = Some(of(Hue::Field));
    visuals.faint_bg_color = of(Hue::Raised);
    visuals.code_bg_color = code;
    visuals.warn_fg_color = of(Hue::Warn);
    visuals.error_fg_color = of(Hue::Bad);
    visuals.text_cursor.stroke = Stroke::new(2.0, of(Hue::Accent));
    visuals.slider_trailing_fill = true;
    visuals.handle_shape = egui::style::HandleShape::Circle;
    let shade = Color32::from_black_alpha(if visuals.dark_mode { 96 } else { 32 });
    visuals.popup_shadow = Shadow { offset: [0, 4], blur: 16, spread: 0, color: shade };
    visuals.window_shadow = Shadow { offset: [0, 8], blur: 28, spread: 0, color: shade };
    visuals
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WCAG 2 asks this much of text.
    const READABLE: f32 = 4.5;

    /// WCAG's relative luminance.
    fn luminance(color: Color32) -> f32 {
        let linear = |byte: u8| {
            let value = f32::from(byte) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(color.r()) + 0.7152 * linear(color.g()) + 0.0722 * linear(color.b())
    }

    #[track_caller]
    fn check(what: &str, ink: Color32, paper: Color32) {
        let (a, b) = (luminance(ink), luminance(paper));
        let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
        assert!(contrast >= READABLE, "{what}: {ink:?} on {paper:?} is {contrast:.2} to 1");
    }

    #[test]
    fn no_emoji_of_a_reply_is_a_box() {
        let ctx = egui::Context::default();
        install(&ctx);
        // A context has fonts from its first pass on.
        let mut output = ctx.run_ui(egui::RawInput::default(), |ui| {
            let emoticons = '\u{1f600}'..='\u{1f64f}';
            let others = "👍🎉🚀💡🤔🤖🧠🦀🥳🫡🇫🇷✅❌⚠✨❤☀⭐➡";
            for family in
                [FontFamily::Proportional, FontFamily::Monospace, FontFamily::Name(SEMIBOLD.into())]
            {
                let font = FontId::new(13.0, family);
                ui.fonts_mut(|fonts| {
                    let is_box = |sign: &char| !fonts.has_glyph(&font, *sign);
                    let boxes: String =
                        emoticons.clone().chain(others.chars()).filter(is_box).collect();
                    assert_eq!(boxes, "", "shown as boxes in {:?}", font.family);
                });
            }
        });
        // Nobody paints it.
        output.textures_delta.clear();
    }

    #[test]
    fn text_of_every_hue_can_be_read_in_both_looks() {
        for theme in [egui::Theme::Dark, egui::Theme::Light] {
            let visuals = visuals(theme);
            let inks = [
                Hue::Text,
                Hue::Muted,
                Hue::Accent,
                Hue::Pitch,
                Hue::Energy,
                Hue::Wave,
                Hue::Bad,
                Hue::Good,
                Hue::Warn,
                Hue::Drafted,
                Hue::Latency,
                Hue::Throughput,
            ];
            for ink in inks {
                for paper in [Hue::Page, Hue::Raised, Hue::Field] {
                    let what = format!("{ink:?} on {paper:?}, {theme:?}");
                    check(&what, color(ink, &visuals), color(paper, &visuals));
                }
            }
            for system in 0..SYSTEM_COLORS {
                for paper in [Hue::Page, Hue::Raised, Hue::Field] {
                    let what = format!("system {system} on {paper:?}, {theme:?}");
                    check(&what, system_color(system, &visuals), color(paper, &visuals));
                }
            }
        }
    }

    #[test]
    fn every_state_of_a_widget_can_be_read_in_both_looks() {
        for theme in [egui::Theme::Dark, egui::Theme::Light] {
            let visuals = visuals(theme);
            let widgets = &visuals.widgets;
            for look in [&widgets.inactive, &widgets.hovered, &widgets.active, &widgets.open] {
                check(&format!("{theme:?}"), look.fg_stroke.color, look.bg_fill);
            }
            check("selected", visuals.selection.stroke.color, visuals.selection.bg_fill);
            let of = |hue| color(hue, &visuals);
            check("the primary button", of(Hue::OnAccent), of(Hue::Accent));
            check("a key", of(Hue::Muted), of(Hue::Control));
        }
    }
}
