//! The gradients of a depthwise convolution: both from the same blocks of pixels.

use super::plan::{Plan, band};
use super::taps::{Convolution, Correlation, Tap};
use crate::nchwc::{Frame, Planes, pack, unpack};
use crate::scratch::{self, Scratch, SendPtr, UninitVec};
use crate::simd::{Kernel, Simd};
use rayon::prelude::*;

/// Pixels of the input whose row, or column, leaves the same remainder when divided by the
/// stride: they are seen by the same taps, and their gradient is a convolution of the output's
/// with these.
///
/// Pixel `y` is tap `p` of output `i` where `y + padding = i stride + p dilation`; with
/// `y + padding = a stride + r` and `p dilation = k stride + r`, `i` is `a - k`.
struct Axis {
    stride: usize,
    padding: usize,
    dilation: usize,
    kernel: usize,
    /// Zeros before the first output's gradient.
    before: usize,
}

impl Axis {
    /// The taps of a remainder, each with how many gradients after the first one it looks.
    fn taps(&self, remainder: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let &Self { stride, dilation, kernel, .. } = self;
        let most = (kernel - 1) * dilation / stride;
        let seen = (0..kernel).filter(move |p| p * dilation % stride == remainder);
        seen.map(move |p| (p, most - p * dilation / stride))
    }

    /// The remainder of pixel `y`, and where the gradients that its taps look at start.
    fn place(&self, y: usize) -> (usize, usize) {
        let at = y + self.padding;
        let most = (self.kernel - 1) * self.dilation / self.stride;
        (at % self.stride, self.before + at / self.stride - most)
    }
}

/// The gradients that are wanted, of `x`, weight and bias; `grad` is that of the convolution's
/// own output, before any ReLU.
pub(super) fn backward(
    plan: &Plan,
    x: &[f32],
    w: &[f32],
    grad: &[f32],
    [want_x, want_w, want_b]: [bool; 3],
) -> [Option<Vec<f32>>; 3] {
    let (g, lanes, m) = (&plan.g, plan.isa.lanes(), plan.multiplier());
    let (pixels_in, pixels_out) = (g.h * g.w, g.oh * g.ow);
    assert_eq!((x.len(), w.len()), (g.n * g.c_in * pixels_in, g.c_out * plan.taps()));
    assert_eq!(grad.len(), g.n * g.c_out * pixels_out);
    let mut dx = want_x.then(|| UninitVec::<f32>::new(x.len()));
    let shared = dx.as_mut().map(UninitVec::send_ptr);
    let phases = BackwardPlan::new(plan);
    let weights = plan.pack(w);
    // The gradients of weight and bias of a block of channels, of some images; these are added in
    // order.
    let sums = m * (plan.taps() + 1) * lanes;
    let images = plan.task(3).min(g.n);
    let groups = g.n.div_ceil(images.max(1));
    let mut partials = scratch::buffer(groups * plan.blocks() * sums);
    let pieces = partials.par_chunks_mut(sums).enumerate();
    pieces.with_min_len(plan.task(3).div_ceil(images.max(1))).for_each_init(
        || phases.buffers(plan),
        |buffers, (piece, sums)| {
            sums.fill(0.);
            let channel = piece % plan.blocks() * lanes;
            let first = piece / plan.blocks() * images;
            for image in first..(first + images).min(g.n) {
                let at = image * g.c_in + channel;
                plan.isa.run(Backward {
                    plan,
                    phases: &phases,
                    wanted: [want_w, want_b],
                    channels: (g.c_in - channel).min(lanes),
                    x: &x[at * pixels_in..],
                    grad: &grad[at * m * pixels_out..],
                    weights: &weights[channel * m * plan.taps()..],
                    buffers,
                    dx: shared.map(|dx| dx.offset(at * pixels_in)),
                    sums,
                });
            }
        },
    );
    let [dw, db] = plan.isa.run(Total { plan, partials: &partials });
    // SAFETY: the tasks write the planes of their channels of their images: all of them.
    let dx = dx.map(|dx| unsafe { dx.finish() });
    [dx, want_w.then_some(dw), want_b.then_some(db)]
}

/// How the blocks lie, and which taps the phases of the input have.
struct BackwardPlan {
    x: Frame,
    grad: Frame,
    rows: Axis,
    columns: Axis,
    /// The taps of each remainder of the row and, within it, of the column.
    taps: Vec<Vec<Tap>>,
}

/// Blocks of pixels.
struct Buffers {
    x: Scratch,
    /// One for each output of a channel.
    grad: Scratch,
    /// Rows of the input's gradient.
    dx: Scratch,
}

impl BackwardPlan {
    fn new(plan: &Plan) -> Self {
        let (g, grad, lanes) = (&plan.g, plan.gradient(), plan.isa.lanes());
        let axis = |stride, padding, dilation, kernel, before| Axis {
            stride,
            padding,
            dilation,
            kernel,
            before,
        };
        let rows = axis(g.stride.0, g.padding.0, g.dilation.0, g.kh, grad.top);
        let columns = axis(g.stride.1, g.padding.1, g.dilation.1, g.kw, grad.left);
        let mut taps = Vec::new();
        for row in 0..g.stride.0 {
            for column in 0..g.stride.1 {
                let mut seen = Vec::new();
                for output in 0..plan.multiplier() {
                    for (p, below) in rows.taps(row) {
                        seen.extend(columns.taps(column).map(|(q, right)| Tap {
                            x: (output * grad.pixels() + below * grad.width + right) * lanes,
                            w: (output * plan.taps() + p * g.kw + q) * lanes,
                        }));
                    }
                }
                taps.push(seen);
            }
        }
        Self { x: plan.input(), grad, rows, columns, taps }
    }

    fn buffers(&self, plan: &Plan) -> Buffers {
        let (g, lanes) = (&plan.g, plan.isa.lanes());
        Buffers {
            x: scratch::buffer(self.x.pixels() * lanes),
            grad: scratch::buffer(plan.multiplier() * self.grad.pixels() * lanes),
            dx: scratch::buffer(band(g.h, g.w) * g.w * lanes),
        }
    }
}

struct Backward<'a> {
    plan: &'a Plan,
    phases: &'a BackwardPlan,
    /// Whether the gradients of weight and bias are.
    wanted: [bool; 2],
    channels: usize,
    /// From the first of the channels, or of its outputs, on.
    x: &'a [f32],
    grad: &'a [f32],
    weights: &'a [f32],
    buffers: &'a mut Buffers,
    /// The first of the channels, if wanted.
    dx: Option<SendPtr<f32>>,
    /// The gradients of the weights, then of the bias, to be added to.
    sums: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let (plan, g, m) = (self.plan, &self.plan.g, self.plan.multiplier());
        let (pixels_in, pixels_out) = (g.h * g.w, g.oh * g.ow);
        let frame = self.phases.grad;
        assert!(self.x.len() >= self.channels * pixels_in);
        assert!(self.grad.len() >= self.channels * m * pixels_out);
        assert!(self.weights.len() >= m * plan.taps() * S::LANES);
        assert_eq!(self.sums.len(), m * (plan.taps() + 1) * S::LANES);
        assert_eq!(self.buffers.grad.len(), m * frame.pixels() * S::LANES);
        assert_eq!(self.buffers.x.len(), self.phases.x.pixels() * S::LANES);
        // SAFETY: the lengths just asserted.
        unsafe {
            for i in 0..m {
                let planes = Planes {
                    first: self.grad.as_ptr().add(i * pixels_out),
                    distance: m * pixels_out,
                    channels: self.channels,
                };
                let block = self.buffers.grad.as_mut_ptr().add(i * frame.pixels() * S::LANES);
                pack::<S>(planes, &frame, block);
            }
            if self.wanted[0] {
                self.weight_gradient::<S>();
            }
            if self.wanted[1] {
                self.bias_gradient::<S>();
            }
            if let Some(dx) = self.dx {
                self.input_gradient::<S>(dx);
            }
        }
    }
}

impl Backward<'_> {
    #[inline(always)]
    unsafe fn weight_gradient<S: Simd>(&mut self) {
        let (plan, g, m) = (self.plan, &self.plan.g, self.plan.multiplier());
        let (x, frame, channels) = (self.phases.x, self.phases.grad, self.channels);
        let planes = Planes { first: self.x.as_ptr(), distance: g.h * g.w, channels };
        // SAFETY: `run` asserted the lengths; the taps read pixels as in the forward pass.
        unsafe {
            pack::<S>(planes, &x, self.buffers.x.as_mut_ptr());
            for i in 0..m {
                let grad = i * frame.pixels() + frame.start();
                Correlation {
                    kernel: (g.kh, g.kw),
                    rows: g.oh,
                    columns: g.ow,
                    grad: self.buffers.grad.as_ptr().add(grad * S::LANES),
                    grad_row: frame.width * S::LANES,
                    x: self.buffers.x.as_ptr(),
                    x_row: g.stride.0 * x.width * S::LANES,
                    x_step: g.stride.1 * S::LANES,
                    tap_row: g.dilation.0 * x.width * S::LANES,
                    tap_step: g.dilation.1 * S::LANES,
                    to: self.sums.as_mut_ptr().add(i * plan.taps() * S::LANES),
                }
                .run::<S>();
            }
        }
    }

    #[inline(always)]
    unsafe fn bias_gradient<S: Simd>(&mut self) {
        let (g, m, frame) = (&self.plan.g, self.plan.multiplier(), self.phases.grad);
        for i in 0..m {
            // SAFETY: pixels of the planes, and the last `m` vectors of the sums.
            unsafe {
                let block = self.buffers.grad.as_ptr();
                let block = block.add((i * frame.pixels() + frame.start()) * S::LANES);
                let mut sum = S::splat(0.);
                for y in 0..g.oh {
                    let mut row = S::splat(0.);
                    for x in 0..g.ow {
                        row = S::add(row, S::load(block.add((y * frame.width + x) * S::LANES)));
                    }
                    sum = S::add(sum, row);
                }
                let to = (m * self.plan.taps() + i) * S::LANES;
                let to = self.sums.as_mut_ptr().add(to);
                S::store(to, S::add(S::load(to), sum));
            }
        }
    }

    #[inline(always)]
    unsafe fn input_gradient<S: Simd>(&mut self, dx: SendPtr<f32>) {
        let (g, phases) = (&self.plan.g, self.phases);
        let (down, along) = g.stride;
        let band = band(g.h, g.w);
        assert_eq!(self.buffers.dx.len(), band * g.w * S::LANES);
        for first in (0..g.h).step_by(band) {
            let rows = (g.h - first).min(band);
            for y in 0..down.min(rows) {
                let (row, above) = phases.rows.place(first + y);
                for x in 0..along.min(g.w) {
                    let (column, before) = phases.columns.place(x);
                    // SAFETY: `Plan::gradient` leaves room for all that the taps of a pixel look
                    // at, and the pixels from `(y, x)` on in steps of the stride are within the
                    // band.
                    unsafe {
                        let width = phases.grad.width * S::LANES;
                        let grad = self.buffers.grad.as_ptr();
                        let to = self.buffers.dx.as_mut_ptr();
                        Convolution {
                            taps: &phases.taps[row * along + column],
                            weights: self.weights.as_ptr(),
                            start: S::splat(0.),
                            rows: (rows - y).div_ceil(down),
                            columns: (g.w - x).div_ceil(along),
                            from: grad.add(above * width + before * S::LANES),
                            from_row: width,
                            from_step: S::LANES,
                            to: to.add((y * g.w + x) * S::LANES),
                            to_row: down * g.w * S::LANES,
                            to_step: along * S::LANES,
                        }
                        .run::<S>();
                    }
                }
            }
            // SAFETY: rows of the planes of the channels, all of them computed.
            unsafe {
                let planes = Planes {
                    first: dx.pointer().add(first * g.w),
                    distance: g.h * g.w,
                    channels: self.channels,
                };
                unpack::<S>(self.buffers.dx.as_ptr(), &Frame::flat(rows * g.w), planes);
            }
        }
    }
}

/// Adds the gradients of weight and bias of all images.
struct Total<'a> {
    plan: &'a Plan,
    partials: &'a [f32],
}

impl Kernel for Total<'_> {
    type Output = [Vec<f32>; 2];

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> [Vec<f32>; 2] {
        let (plan, g, m) = (self.plan, &self.plan.g, self.plan.multiplier());
        let (mut dw, mut db) = (vec![0f32; g.c_out * plan.taps()], vec![0f32; g.c_out]);
        let sums = m * (plan.taps() + 1) * S::LANES;
        let mut total = scratch::buffer(sums);
        for block in 0..plan.blocks() {
            total.fill(0.);
            for partial in self.partials.chunks_exact(sums).skip(block).step_by(plan.blocks()) {
                for (total, &v) in total.iter_mut().zip(partial) {
                    *total += v;
                }
            }
            let first = block * S::LANES;
            let channels = (g.c_in - first).min(S::LANES);
            for i in 0..m {
                // SAFETY: the filters of `channels` channels, and a vector for each tap.
                unsafe {
                    let from = total.as_ptr().add(i * plan.taps() * S::LANES);
                    let filter = (first * m + i) * plan.taps();
                    let distance = m * plan.taps();
                    let planes = Planes { first: dw.as_mut_ptr().add(filter), distance, channels };
                    unpack::<S>(from, &Frame::flat(plan.taps()), planes);
                }
                let bias = &total[(m * plan.taps() + i) * S::LANES..][..channels];
                for (c, &v) in bias.iter().enumerate() {
                    db[(first + c) * m + i] = v;
                }
            }
        }
        [dw, db]
    }
}
