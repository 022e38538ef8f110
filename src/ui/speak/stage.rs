//! The takes that are shown, one under the other over one time base.

mod apart;
mod block;
mod editing;
mod pointer;

use eframe::egui::{
    Align2, Context, CornerRadius, Id, Rangef, Rect, Sense, TextStyle, Ui, Visuals, pos2, vec2,
};

use self::{
    apart::Apart,
    block::{Block, Placed, Scene},
    editing::Drag,
    pointer::{Pointed, handles_ui, unit_ui, wheel},
};
use super::{
    lanes::Lane,
    playback::What,
    readout::Readout,
    state::SpeakState,
    take::{Take, TakeId},
    transport::readout_ui,
};
use crate::{
    settings::ColorMap,
    ui::{
        theme::{self, Hue},
        widgets::time_axis_paint::{
            Ink, RULER_HEIGHT, paint_playhead_handle, paint_ruler, plot_rect,
        },
    },
};

/// Height of the read-out above the panels of a take.
const READOUT_HEIGHT: f32 = 18.0;

/// Between one take and the next.
const TAKE_GAP: f32 = 10.0;

/// Width of a take's name before its read-out, where several are shown.
const NAME_WIDTH: f32 = 170.0;

/// Radius of the dot in a system's colour.
pub const DOT: f32 = 4.0;

/// What the panels keep from frame to frame: drawings, and a drag under way.
#[derive(Default)]
pub struct Stage {
    blocks: Vec<Block>,
    apart: Apart,
    /// Where the selection that is being dragged began, in seconds.
    drag_from: Option<f64>,
    /// The bar or phoneme that is being dragged.
    edited: Option<Drag>,
}

/// What the user asked for on the panels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wish {
    /// On whose panels.
    pub take: TakeId,
    /// What should be played.
    pub what: What,
}

impl Stage {
    /// Draws the panels of the takes that are shown; says what should be played, if the user asked.
    pub fn ui(
        &mut self,
        ui: &mut Ui,
        state: &mut SpeakState,
        playhead_secs: Option<f64>,
        map: ColorMap,
    ) -> Option<Wish> {
        let shown = state.shown();
        self.keep_blocks_of(&shown);
        let area = ui.available_rect_before_wrap();
        let ruler = Rect::from_min_max(pos2(area.left(), area.bottom() - RULER_HEIGHT), area.max);
        ui.advance_cursor_after_rect(area);
        let shows_difference = state.difference.is_on() && shown.len() > 1;
        let places = places(area, ruler.top(), shown.len() + usize::from(shows_difference));
        if places.iter().any(|place| place.panels.span() < 0.0) || area.width() < 240.0 {
            return None;
        }

        let mut lanes = Vec::new();
        for (place, &take) in places.iter().zip(&shown) {
            handles_ui(ui, state, take, area, place.panels);
            lanes.extend(block::place(ui, state, take, area, place.panels));
        }
        let ruler_response =
            ui.interact(ruler, ui.scope_id().with("ruler"), Sense::CLICK | Sense::DRAG);
        let plot_x = plot_rect(area).x_range();
        let over = Rect::from_min_max(pos2(area.left(), places[0].panels.min), area.max);
        let mels = lanes.iter().filter(|placed| placed.lane == Lane::Mel).map(|it| it.plot);
        let apart = places.get(shown.len()).map(|place| plot_at(area, place.panels));
        let mels: Vec<Rect> = mels.chain(apart).collect();
        let pointed = self.pointed(ui, state, &mels, over, plot_x);

        let mut wish = None;
        for placed in &lanes {
            let on = Some((placed.take, placed.lane));
            wish = wish.or(self.press(ui, state, on, &placed.response, plot_x));
        }
        wish = wish.or(self.press(ui, state, None, &ruler_response, plot_x));
        wheel(ui, state, over, pointed, &lanes);
        unit_ui(ui, state, &lanes);

        let cursor_secs = playhead_secs.or(state.paused_secs).unwrap_or(state.cursor_secs);
        let scene = Scene { state, pointed, cursor_secs, map, ink: Ink::of(ui) };
        for ((block, place), id) in self.blocks.iter_mut().zip(&places).zip(&shown) {
            let Some(take) = state.takes.iter().find(|take| take.id == *id) else { continue };
            if block.sync(ui.ctx(), map, take) {
                ui.ctx().request_repaint();
            }
            let own: Vec<&Placed> = lanes.iter().filter(|placed| placed.take == *id).collect();
            block.paint(ui, &scene, take, &own);
            head_ui(ui, &scene, take, place.head, shown.len() > 1);
        }
        if let Some(place) = places.get(shown.len()) {
            self.apart.ui(ui, &scene, place, area);
        }
        paint_ruler(ui.painter(), ruler, state.view.time, &scene.ink);
        let x = state.view.time.to_screen(cursor_secs, plot_x);
        paint_playhead_handle(ui.painter(), ruler, x, &scene.ink);
        wish
    }

    /// One block a take, in their order; what a take that stays has drawn stays.
    fn keep_blocks_of(&mut self, shown: &[TakeId]) {
        let mut before = std::mem::take(&mut self.blocks);
        self.blocks = shown
            .iter()
            .map(|id| {
                let at = before.iter().position(|block| block.take == *id);
                at.map_or_else(|| Block::new(*id), |at| before.swap_remove(at))
            })
            .collect();
    }
}

/// Where a take lies.
struct Place {
    head: Rect,
    panels: Rangef,
}

/// The plot of a panel that lies across the area.
fn plot_at(area: Rect, y: Rangef) -> Rect {
    plot_rect(Rect::from_x_y_ranges(area.x_range(), y))
}

/// Divides the area above the ruler evenly among `n` takes.
fn places(area: Rect, bottom: f32, n: usize) -> Vec<Place> {
    let n = n.max(1);
    let height = (bottom - area.top() - TAKE_GAP * (n - 1) as f32) / n as f32;
    let place = |at: usize| {
        let top = area.top() + at as f32 * (height + TAKE_GAP);
        let head = Rect::from_min_size(pos2(area.left(), top), vec2(area.width(), READOUT_HEIGHT));
        Place { head, panels: Rangef::new(head.bottom() + 2.0, top + height - 2.0) }
    };
    (0..n).map(place).collect()
}

/// The line above a take's panels: whose they are, if there are several, and what lies under the
/// pointer.
fn head_ui(ui: &mut Ui, scene: &Scene<'_>, take: &Take, rect: Rect, is_one_of_several: bool) {
    let state = scene.state;
    let at = scene.pointed.unwrap_or(Pointed { secs: scene.cursor_secs, band: None });
    let readout = Readout::new(take, at.secs, at.band);
    if !is_one_of_several {
        readout_ui(ui, rect, &readout);
        return;
    }
    let is_selected = state.selected == Some(take.id);
    let (name, mut fields) = rect.split_left_right_at_x(rect.left() + NAME_WIDTH);
    fields.min.x += theme::GAP;
    let painter = ui.painter().with_clip_rect(name.intersect(ui.clip_rect()));
    if is_selected {
        let raised = theme::color(Hue::Control, ui.visuals());
        painter.rect_filled(name, CornerRadius::same(3), raised);
    }
    let dot = pos2(name.left() + 8.0, name.center().y);
    painter.circle_filled(dot, DOT, system_color(state, take, ui.visuals()));
    let at = pos2(dot.x + 9.0, name.center().y);
    let font = TextStyle::Small.resolve(ui.style());
    let whose = painter.text(at, Align2::LEFT_CENTER, &take.name, font.clone(), scene.ink.text);
    let voice = take.request.as_ref().map_or("from a file", |request| request.voice.as_str());
    let at = pos2(whose.right() + 8.0, name.center().y);
    painter.text(at, Align2::LEFT_CENTER, voice, font, scene.ink.muted);
    readout_ui(ui, fields, &readout);
}

/// The colour of a take's system; grey where nobody knows it.
pub fn system_color(state: &SpeakState, take: &Take, visuals: &Visuals) -> eframe::egui::Color32 {
    state.system_of(take).map_or_else(
        || theme::color(Hue::Muted, visuals),
        |system| theme::system_color(system, visuals),
    )
}

/// Keeps the panels' layouts from one start of the program to the next.
pub fn remember_lanes(ctx: &Context, state: &SpeakState) {
    ctx.data_mut(|data| {
        data.insert_persisted(lanes_id(), state.lanes);
        data.insert_persisted(compared_lanes_id(), state.compared_lanes);
    });
}

/// The panels' layouts as they were kept.
pub fn recall_lanes(ctx: &Context, state: &mut SpeakState) {
    if let Some(lanes) = ctx.data_mut(|data| data.get_persisted(lanes_id())) {
        state.lanes = lanes;
    }
    if let Some(lanes) = ctx.data_mut(|data| data.get_persisted(compared_lanes_id())) {
        state.compared_lanes = lanes;
    }
}

fn lanes_id() -> Id {
    Id::unique("speak-lanes")
}

fn compared_lanes_id() -> Id {
    Id::unique("speak-compared-lanes")
}
