use super::algorithm::BATCH_PIECES;
use super::geometry::Geometry;
use super::im2col::SMALL_PLANE;
use super::{Conv2dBlock, Conv2dConfig, conv2d, conv2d_block, depthwise, im2col, winograd};
use crate::activation::Activation;
use crate::check::{
    Tolerance, assert_close, assert_error, check_gradients, check_implementations, check_scaled,
    normal, pick,
};
use crate::implementation::{Implementation, with_implementation};
use crate::pool::{Pool2dConfig, avg_pool2d, max_pool2d};
use crate::simd::Isa;
use candle_core::{DType, Device, Result, Tensor};

fn case(x: &[usize], c_out: usize, kernel: (usize, usize), config: &Conv2dConfig) -> [Tensor; 3] {
    let weight = [c_out, x[1] / config.groups, kernel.0, kernel.1];
    [normal(1, x), normal(2, &weight), normal(3, &[c_out])]
}

/// Winograd's transforms mix the pixels of a tile and the taps of a filter, and cost three bits more than a plain sum.
fn tolerance(kernel: (usize, usize)) -> Tolerance {
    if kernel == (3, 3) { Tolerance::of_planes(1e-5) } else { 1e-6.into() }
}

fn check(x: &[usize], c_out: usize, kernel: (usize, usize), config: Conv2dConfig) {
    check_values(x, c_out, kernel, config);
    let f = |t: &[Tensor]| conv2d(&t[0], &t[1], Some(&t[2]), &config);
    let what = format!("{x:?} to {c_out}, {kernel:?}, {config:?}");
    check_gradients(&what, &case(x, c_out, kernel, &config), f);
}

/// Without differences, which cost two passes each.
fn check_values(x: &[usize], c_out: usize, kernel: (usize, usize), config: Conv2dConfig) {
    let what = format!("{x:?} to {c_out}, {kernel:?}, {config:?}");
    let inputs = case(x, c_out, kernel, &config);
    check_implementations(&what, tolerance(kernel), &inputs, |t| {
        conv2d(&t[0], &t[1], Some(&t[2]), &config)
    });
}

fn check_block(x: &[usize], inputs: &[Tensor; 3], block: &Conv2dBlock) {
    let f = |t: &[Tensor]| conv2d_block(&t[0], &t[1], Some(&t[2]), block);
    let scale = |t: &[Tensor]| {
        let y = conv2d(&t[0].abs()?, &t[1].abs()?, Some(&t[2].abs()?), &block.conv)?;
        match &block.max_pool {
            // Each pixel of a window may be its maximum.
            Some(pool) => avg_pool2d(&y, pool)? * (pool.kernel.0 * pool.kernel.1) as f64,
            None => Ok(y),
        }
    };
    check_scaled(&format!("{x:?}, {block:?}"), tolerance((3, 3)), inputs, f, scale);
}

#[test]
fn all_implementations_agree_over_random_shapes() {
    for seed in 0..40 {
        let draw = |index, low, high| pick(seed, index, low, high);
        let groups = [1, 1, 2, 3][draw(0, 0, 3)];
        let kernel = (draw(1, 1, 4), draw(2, 1, 4));
        let dilation = (draw(3, 1, 2), draw(4, 1, 2));
        let config = Conv2dConfig {
            stride: (draw(5, 1, 3), draw(6, 1, 3)),
            padding: (draw(7, 0, 3), draw(8, 0, 3)),
            padding_end: (seed % 2 == 1).then(|| (draw(14, 0, 3), draw(15, 0, 3))),
            dilation,
            groups,
        };
        let size = |k: usize, d: usize, i| (k - 1) * d + 1 + draw(i, 0, 6);
        let (h, w) = (size(kernel.0, dilation.0, 9), size(kernel.1, dilation.1, 10));
        let channels = groups * draw(11, 1, 3);
        check(&[draw(12, 1, 3), channels, h, w], groups * draw(13, 1, 3), kernel, config);
    }
}

#[test]
fn the_usual_layers_agree() {
    let plain = Conv2dConfig::default();
    let padded = Conv2dConfig { padding: (1, 1), ..plain };
    check(&[2, 1, 28, 28], 8, (3, 3), plain);
    check(&[1, 16, 13, 11], 24, (3, 3), padded);
    check(&[2, 3, 15, 17], 8, (7, 7), Conv2dConfig { stride: (2, 2), padding: (3, 3), ..plain });
    check(&[2, 20, 7, 9], 12, (1, 1), plain);
    check(&[2, 12, 8, 8], 20, (1, 1), Conv2dConfig { stride: (2, 2), ..plain });
    check(&[2, 12, 9, 7], 12, (3, 3), Conv2dConfig { groups: 12, ..padded });
    check(&[2, 6, 9, 7], 12, (5, 5), Conv2dConfig { groups: 6, padding: (2, 2), ..plain });
    check(&[1, 1, 1, 1], 1, (1, 1), plain);
}

/// Columns of im2col in several chunks an image, and in chunks of several images; more images than pieces of the batch.
#[test]
fn columns_in_several_chunks_and_pieces_of_the_batch_agree() -> Result<()> {
    let config = Conv2dConfig { stride: (2, 2), ..Conv2dConfig::default() };
    for (x, kernel, several_images) in
        [([19, 16, 49, 49], (3, 3), false), ([35, 64, 11, 13], (5, 5), true)]
    {
        let inputs = case(&x, 5, kernel, &config);
        let geometry = Geometry::new(&inputs[0], &inputs[1], None, &config)?;
        assert!(x[0] > BATCH_PIECES && x[0] % BATCH_PIECES != 0);
        for isa in Isa::all() {
            let plan = im2col::Plan::new(geometry, isa, None);
            let (images, plane) = (plan.images(), plan.plane());
            assert!(!plan.has_small_planes() && several_images == (images > 1));
            match several_images {
                true => assert!(x[0] % images != 0),
                false => assert!(plane > plan.chunk() && plane % plan.chunk() != 0),
            }
        }
        check_values(&x, 5, kernel, config);
    }
    Ok(())
}

/// Images in pieces of two, and one left over; output channels in groups of four, and one to three left over; rows of
/// several vectors, the last in part.
#[test]
fn few_channels_in_several_pieces_of_the_batch_agree() {
    let config = Conv2dConfig { padding: (1, 1), ..Conv2dConfig::default() };
    for (channels, kernel) in [(1, (2, 1)), (2, (3, 2)), (3, (3, 3))] {
        check_values(&[BATCH_PIECES + 3, channels, 6, 37], 4 + channels, kernel, config);
    }
}

/// Columns that are the image itself, and windows side by side, in several chunks an image and pieces of the batch.
#[test]
fn columns_that_lie_there_agree_in_several_chunks() -> Result<()> {
    let config = |stride| Conv2dConfig { stride, ..Conv2dConfig::default() };
    for (x, kernel) in [([17, 5, 46, 46], (1, 1)), ([17, 1, 138, 139], (3, 3))] {
        let (inputs, config) = (case(&x, 5, kernel, &config(kernel)), config(kernel));
        let geometry = Geometry::new(&inputs[0], &inputs[1], None, &config)?;
        for isa in Isa::all() {
            let plan = im2col::Plan::new(geometry, isa, None);
            assert!(plan.pointwise() || plan.patched());
            assert!(plan.plane() > plan.chunk() && !plan.plane().is_multiple_of(plan.chunk()));
        }
        check_values(&x, 5, kernel, config);
    }
    // Windows of several images in one product.
    check_values(&[2 * BATCH_PIECES + 3, 4, 7, 8], 5, (3, 3), config((3, 3)));
    Ok(())
}

/// Planes of all images side by side, up to the largest plane for which it is done; several tasks of rows and panels and
/// parts of a sum, whether an image comes alone or not.
#[test]
fn pointwise_filters_on_small_planes_agree_and_give_an_image_the_same_bits_in_any_batch()
-> Result<()> {
    let config = Conv2dConfig::default();
    for (x, c_out) in [
        ([19, 300, 7, 7], 101),
        ([1, 300, 7, 7], 101),
        ([70, 30, 1, 1], 50),
        ([3, 5, 8, SMALL_PLANE / 8], 7),
        ([3, 5, 1, SMALL_PLANE + 1], 7),
    ] {
        let inputs = case(&x, c_out, (1, 1), &config);
        let geometry = Geometry::new(&inputs[0], &inputs[1], None, &config)?;
        let joined = x[0] > 1 && x[2] * x[3] <= SMALL_PLANE;
        assert_eq!(im2col::Plan::new(geometry, Isa::PORTABLE, None).has_small_planes(), joined);
        check_values(&x, c_out, (1, 1), config);
        let [x, w, b] = inputs.map(|t| t.to_dtype(DType::F32).unwrap());
        let last = x.narrow(0, x.dim(0)? - 1, 1)?;
        let alone = conv2d(&last, &w, Some(&b), &config)?.flatten_all()?.to_vec1::<f32>()?;
        let all = conv2d(&x, &w, Some(&b), &config)?;
        let found = all.narrow(0, x.dim(0)? - 1, 1)?.flatten_all()?.to_vec1::<f32>()?;
        assert_eq!(found, alone);
    }
    Ok(())
}

/// Several tasks of rows and parts of a sum in all three products of the small planes.
#[test]
fn small_planes_in_several_parts_agree() -> Result<()> {
    let config = Conv2dConfig { stride: (2, 2), ..Conv2dConfig::default() };
    let x = [17, 120, 12, 13];
    let inputs = case(&x, 101, (3, 3), &config);
    let geometry = Geometry::new(&inputs[0], &inputs[1], None, &config)?;
    assert!(im2col::Plan::new(geometry, Isa::PORTABLE, None).has_small_planes());
    check_values(&x, 101, (3, 3), config);
    Ok(())
}

/// Several images to a block, one, and several blocks to an image, in pieces of the batch of more than one block; one
/// block; an odd number of vectors of channels.
#[test]
fn tiles_in_several_blocks_agree() -> Result<()> {
    let conv = Conv2dConfig { padding: (1, 1), ..Conv2dConfig::default() };
    let shapes = [
        [10 * BATCH_PIECES + 3, 4, 7, 8],
        [BATCH_PIECES + 3, 5, 23, 24],
        [BATCH_PIECES + 3, 5, 31, 35],
        [2, 37, 13, 14],
        [BATCH_PIECES + 3, 37, 13, 14],
    ];
    for (i, x) in shapes.into_iter().enumerate() {
        let inputs = case(&x, x[1], (3, 3), &conv);
        let geometry = Geometry::new(&inputs[0], &inputs[1], None, &conv)?;
        let plan = winograd::Plan::new(geometry, Isa::best(), Default::default());
        assert_eq!(plan.blocks() == 1, i == 3, "{x:?}");
        // More blocks than pieces.
        assert!(i >= 3 || plan.blocks() > BATCH_PIECES, "{x:?}");
        check_values(&x, x[1], (3, 3), conv);
    }
    Ok(())
}

/// Channels, images and rows of a channel by channel convolution in several tasks, pieces and bands.
#[test]
fn depthwise_in_several_tasks_agrees() -> Result<()> {
    for stride in [(1, 1), (2, 1)] {
        let config = Conv2dConfig { groups: 43, padding: (1, 1), stride, ..Default::default() };
        let x = [BATCH_PIECES + 1, 43, 20, 21];
        let inputs = case(&x, 43, (3, 3), &config);
        let geometry = Geometry::new(&inputs[0], &inputs[1], None, &config)?;
        for isa in Isa::all() {
            let plan = depthwise::Plan::new(geometry, isa, None);
            assert!(x[0] * plan.blocks() > 2 * plan.task(1));
            assert!(x[0] > plan.task(3) && !x[0].is_multiple_of(plan.task(3)) && plan.task(3) > 1);
        }
        check_values(&x, 43, (3, 3), config);
    }
    Ok(())
}

#[test]
fn windows_side_by_side_agree_over_random_shapes() {
    for seed in 0..20 {
        let draw = |index, low, high| pick(seed, index, low, high);
        let kernel = (draw(0, 1, 5), draw(1, 3, 6));
        let config = Conv2dConfig { stride: kernel, ..Conv2dConfig::default() };
        // Some pixels are left over at the right and at the bottom.
        let size = |k: usize, index| k * draw(index, 1, 9) + draw(index + 1, 0, k - 1);
        let x = [draw(2, 1, 4), draw(3, 4, 6), size(kernel.0, 4), size(kernel.1, 6)];
        check(&x, draw(8, 1, 20), kernel, config);
    }
    // Few images of a vision transformer.
    let config = Conv2dConfig { stride: (8, 8), ..Conv2dConfig::default() };
    check(&[1, 3, 32, 32], 20, (8, 8), config);
}

/// Long filters over small planes, whose columns are multiplied all at once.
#[test]
fn few_columns_of_long_filters_agree_over_random_shapes() {
    for seed in 0..20 {
        let draw = |index, low, high| pick(seed, index, low, high);
        let config = Conv2dConfig {
            padding: (draw(0, 0, 2), draw(1, 0, 2)),
            stride: (draw(7, 1, 3), draw(8, 1, 3)),
            ..Conv2dConfig::default()
        };
        let x = [draw(6, 1, 5), draw(4, 24, 60), draw(2, 2, 5), draw(3, 2, 5)];
        let (c_out, kernel) = (draw(5, 3, 40), (draw(9, 1, 4), draw(10, 2, 4)));
        if x[2] + 2 * config.padding.0 < kernel.0 || x[3] + 2 * config.padding.1 < kernel.1 {
            continue;
        }
        check_values(&x, c_out, kernel, config);
    }
}

/// Shapes that the Winograd kernels take: whole images to a block, several images to a block, and
/// several blocks to an image; channels that fill their vectors and that do not.
#[test]
fn three_by_three_filters_agree_over_random_shapes() {
    for seed in 0..30 {
        let draw = |index, low, high| pick(seed, index, low, high);
        let padding = (draw(0, 0, 2), draw(1, 0, 2));
        let padding_end = (seed % 3 == 1).then(|| (draw(7, 0, 2), draw(8, 0, 2)));
        let config = Conv2dConfig { padding, padding_end, ..Conv2dConfig::default() };
        let x = [draw(6, 1, 5), draw(4, 4, 36), draw(2, 3, 30), draw(3, 3, 30)];
        let c_out = draw(5, 4, 36);
        check_values(&x, c_out, (3, 3), config);
    }
}

#[test]
fn three_by_three_filters_with_relu_and_pooling_agree_over_random_shapes() {
    let mut checked = 0;
    for seed in 0..60 {
        let draw = |index, low, high| pick(seed, index, low, high);
        let padding = (draw(0, 0, 2), draw(1, 0, 2));
        let conv = Conv2dConfig { padding, ..Conv2dConfig::default() };
        let x = [draw(6, 1, 3), draw(4, 4, 20), draw(2, 4, 17), draw(3, 4, 17)];
        let c_out = draw(5, 4, 20);
        let pool = Some(Pool2dConfig::square(2)).filter(|_| draw(8, 0, 3) > 0);
        let activation = Some(Activation::Relu).filter(|_| draw(7, 0, 2) > 0);
        let block = Conv2dBlock { conv, activation, max_pool: pool };
        let inputs = case(&x, c_out, (3, 3), &conv);
        if has_kinks(&inputs, &block) {
            continue;
        }
        checked += 1;
        check_block(&x, &inputs, &block);
    }
    assert!(checked >= 15, "{checked}");
}

/// Whether an output is so close to zero, or two of a window so close to each other, that `f32`
/// and `f64` may take different sides of the kink and have different gradients.
fn has_kinks(inputs: &[Tensor; 3], block: &Conv2dBlock) -> bool {
    let y = conv2d(&inputs[0], &inputs[1], Some(&inputs[2]), &block.conv).unwrap();
    let near = 1e-5 * y.abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
    let (n, c, h, w) = y.dims4().unwrap();
    let y: Vec<Vec<f64>> = y.reshape((n * c * h, w)).unwrap().to_vec2().unwrap();
    let at_zero = block.activation.is_some() && y.iter().flatten().any(|v| v.abs() < near);
    let tied = block.max_pool.is_some()
        && y.chunks(2).enumerate().filter(|(i, rows)| rows.len() == 2 && i * 2 % h + 1 < h).any(
            |(_, rows)| {
                rows[0].chunks_exact(2).zip(rows[1].chunks_exact(2)).any(|(a, b)| {
                    let mut window = [a[0], a[1], b[0], b[1]];
                    window.sort_by(f64::total_cmp);
                    window[3] - window[2] < near
                })
            },
        );
    at_zero || tied
}

#[test]
fn blocks_with_relu_and_any_pooling_agree() {
    let plain = Conv2dConfig::default();
    let resnet = Pool2dConfig { kernel: (3, 3), stride: (2, 2), padding: (1, 1) };
    let pools = [None, Some(Pool2dConfig::square(2)), Some(Pool2dConfig::square(3)), Some(resnet)];
    let shapes = [([2, 3, 11, 13], 5, plain), ([2, 8, 12, 9], 16, plain)];
    let grouped = Conv2dConfig { groups: 4, padding: (1, 1), stride: (2, 2), ..plain };
    for (x, c_out, conv) in shapes.into_iter().chain([([2, 8, 12, 9], 16, grouped)]) {
        for max_pool in pools {
            for activation in [None, Some(Activation::Relu)] {
                let block = Conv2dBlock { conv, activation, max_pool };
                let inputs = case(&x, c_out, (3, 3), &conv);
                let f = |t: &[Tensor]| conv2d_block(&t[0], &t[1], Some(&t[2]), &block);
                check_block(&x, &inputs, &block);
                check_gradients(&format!("{x:?} {block:?}"), &inputs, f);
            }
        }
    }
}

#[test]
fn an_activation_within_the_pass_is_the_activation_of_its_result() {
    let plain = Conv2dConfig { padding: (1, 1), ..Conv2dConfig::default() };
    // Direct, Winograd, columns, small planes, depthwise, plain loops.
    let cases = [
        ([2, 3, 9, 18], 5, (3, 3), plain),
        ([2, 8, 16, 16], 16, (3, 3), plain),
        ([2, 8, 9, 9], 21, (3, 3), Conv2dConfig { stride: (2, 2), ..plain }),
        ([2, 40, 5, 7], 19, (1, 1), Conv2dConfig::default()),
        ([1, 64, 3, 3], 16, (3, 3), Conv2dConfig { stride: (2, 2), ..plain }),
        ([2, 20, 9, 19], 20, (3, 3), Conv2dConfig { groups: 20, ..plain }),
        ([2, 8, 9, 9], 8, (3, 3), Conv2dConfig { groups: 2, ..plain }),
    ];
    for (x, c_out, kernel, conv) in cases {
        let inputs = case(&x, c_out, kernel, &conv);
        for function in [Activation::Relu, Activation::Relu6, Activation::Silu] {
            for max_pool in [None, Some(Pool2dConfig::square(2))] {
                let block = Conv2dBlock { conv, activation: Some(function), max_pool };
                let t = inputs.clone().map(|t| t.to_dtype(DType::F32).unwrap());
                for implementation in IMPLEMENTATIONS {
                    let (found, expected) = with_implementation(implementation, || {
                        let y = conv2d(&t[0], &t[1], Some(&t[2]), &conv)?;
                        let y = function.apply(&y)?;
                        let y = max_pool.map_or(Ok(y.clone()), |pool| max_pool2d(&y, &pool))?;
                        Ok((conv2d_block(&t[0], &t[1], Some(&t[2]), &block)?, y))
                    })
                    .unwrap_or_else(|e: candle_core::Error| panic!("{e}"));
                    let case = format!("{x:?} {block:?} {implementation:?}");
                    assert_close(&case, &found, &expected, 1e-6);
                }
            }
        }
    }
}

const IMPLEMENTATIONS: [Implementation; 5] = [
    Implementation::Auto,
    Implementation::Avx2,
    Implementation::Portable,
    Implementation::Naive,
    Implementation::Composed,
];

#[test]
fn a_known_convolution_comes_out() {
    let x = Tensor::arange(0f32, 9., &Device::Cpu).unwrap().reshape((1, 1, 3, 3)).unwrap();
    let w = Tensor::new(&[[[[1f32, 2.], [3., 4.]]]], &Device::Cpu).unwrap();
    let b = Tensor::new(&[100f32], &Device::Cpu).unwrap();
    for implementation in [Implementation::Naive, Implementation::Auto, Implementation::Composed] {
        let config = Conv2dConfig::default();
        let y = with_implementation(implementation, || conv2d(&x, &w, Some(&b), &config)).unwrap();
        // 1 * 0 + 2 * 1 + 3 * 3 + 4 * 4 = 27, and so on: not flipped.
        assert_eq!(y.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [127., 137., 157., 167.]);
    }
}

#[test]
fn without_a_bias_the_result_is_the_same_as_with_zeros() {
    let config = Conv2dConfig::default();
    let [x, w, b] = case(&[2, 3, 6, 6], 4, (3, 3), &config);
    for implementation in [Implementation::Naive, Implementation::Auto, Implementation::Composed] {
        with_implementation(implementation, || {
            let zeros = b.zeros_like().unwrap();
            let with = conv2d(&x, &w, Some(&zeros), &config).unwrap();
            assert_close("zeros", &conv2d(&x, &w, None, &config).unwrap(), &with, 0.);
        });
    }
}

/// By every algorithm: direct, Winograd, im2col of four kinds, depthwise, plain loops.
#[test]
fn no_images_give_no_outputs_and_gradients_of_zero() {
    let (plain, stride) =
        (Conv2dConfig::default(), Conv2dConfig { stride: (2, 2), ..Conv2dConfig::default() });
    let patches = Conv2dConfig { stride: (3, 3), ..plain };
    let depthwise = Conv2dConfig { groups: 8, ..plain };
    let grouped = Conv2dConfig { groups: 2, ..plain };
    let cases = [
        (3, 3, plain),
        (8, 3, plain),
        (8, 3, stride),
        (8, 1, plain),
        (8, 3, patches),
        (400, 3, stride),
        (8, 3, depthwise),
        (8, 3, grouped),
    ];
    for (c_in, kernel, config) in cases {
        let inputs = case(&[0, c_in, 14, 14], 8, (kernel, kernel), &config);
        check_implementations(&format!("{c_in} {config:?}"), 1e-6, &inputs, |t| {
            conv2d(&t[0], &t[1], Some(&t[2]), &config)
        });
    }
}

#[test]
fn a_shape_that_cannot_be_is_an_error_that_says_why() {
    let plain = Conv2dConfig::default();
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let error =
        |x: &[usize], w: &[usize], b: Option<&[usize]>, config: Conv2dConfig, parts: &[&str]| {
            let (x, w, b) = (zeros(x), zeros(w), b.map(zeros));
            assert_error(|| conv2d(&x, &w, b.as_ref(), &config), parts);
        };
    error(&[3, 6, 6], &[4, 3, 3, 3], None, plain, &["conv2d", "rank 4", "[3, 6, 6]"]);
    error(&[1, 3, 6, 6], &[4, 3, 3], None, plain, &["conv2d", "weight of rank 4", "[4, 3, 3]"]);
    error(&[1, 2, 6, 6], &[4, 3, 3, 3], None, plain, &["expects 3 input channels", "has 2"]);
    error(&[1, 3, 6, 6], &[4, 3, 3, 3], Some(&[3]), plain, &["bias of shape [4]", "[3]"]);
    error(&[1, 3, 2, 6], &[4, 3, 3, 3], None, plain, &["more than the height of 2"]);
    error(&[1, 3, 6, 2], &[4, 3, 3, 3], None, plain, &["more than the width of 2"]);
    error(&[1, 3, 0, 6], &[4, 3, 3, 3], None, plain, &["height of 0"]);
    error(&[1, 0, 6, 6], &[4, 0, 3, 3], None, plain, &["at least one channel"]);
    error(&[1, 3, 6, 6], &[4, 3, 0, 3], None, plain, &["at least 1", "found 0"]);
    let stride = Conv2dConfig { stride: (1, 0), ..plain };
    error(&[1, 3, 6, 6], &[4, 3, 3, 3], None, stride, &["at least 1", "width"]);
    let dilation = Conv2dConfig { dilation: (3, 1), ..plain };
    error(&[1, 3, 6, 6], &[4, 3, 3, 3], None, dilation, &["3 taps at dilation 3"]);
    for groups in [0, 2] {
        let config = Conv2dConfig { groups, ..plain };
        error(&[1, 3, 6, 6], &[4, 1, 3, 3], None, config, &["groups do not divide 3 input"]);
    }
    let huge = Conv2dConfig { padding: (usize::MAX, 0), ..plain };
    error(&[1, 3, 6, 6], &[4, 3, 3, 3], None, huge, &["padding"]);
    let large = Conv2dConfig { padding: (1 << 31, 1 << 31), ..plain };
    error(&[1, 3, 6, 6], &[4, 3, 3, 3], None, large, &["padded images", "larger than any memory"]);
}

#[test]
fn steps_that_leave_the_image_are_like_one_that_just_does() {
    let far = usize::MAX / 2 + 1;
    let [x, w, b] = case(&[2, 4, 5, 6], 4, (1, 1), &Conv2dConfig::default());
    for implementation in [Implementation::Naive, Implementation::Auto, Implementation::Composed] {
        with_implementation(implementation, || {
            let of = |stride, dilation| {
                let config = Conv2dConfig { stride, dilation, ..Conv2dConfig::default() };
                let (x, w, b) =
                    (x.to_dtype(DType::F32)?, w.to_dtype(DType::F32)?, b.to_dtype(DType::F32)?);
                conv2d(&x, &w, Some(&b), &config)?.flatten_all()?.to_vec1::<f32>()
            };
            assert_eq!(of((far, far), (far, 1)).unwrap(), of((5, 6), (1, 1)).unwrap());
        });
    }
}
