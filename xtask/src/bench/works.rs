//! The list of works: the reference CNN whole, and the kernels of nets that people fine-tune.
//!
//! A new kernel or net is a line here, an arm in `kernel.rs`, and one in each peer.

use super::work::{Task, Work};

/// Images in memory that training gathers its batches from.
const IMAGES: usize = 10_000;

/// Every work, in the order in which they are done.
pub fn all() -> Vec<Work> {
    let mut list = List::default();
    whole_nets(&mut list);
    keras_cnn(&mut list, 128);
    resnet18(&mut list, 64, 32);
    resnet18(&mut list, 224, 8);
    vit_tiny(&mut list, 8);
    convnext_atto(&mut list, 8);
    mobilenetv3_small(&mut list, 8);
    list.works
}

fn whole_nets(list: &mut List) {
    let net = || "keras-cnn".to_string();
    let group = "keras-cnn";
    list.add(
        group,
        "train-128",
        1,
        Task::Train { net: net(), side: 28, batch: 128, images: IMAGES },
    );
    list.add(group, "evaluate-1000", 1, Task::Evaluate { net: net(), side: 28, batch: 1000 });
    let images = 1280;
    list.add(group, "first-step", 1, Task::FirstStep { net: net(), side: 28, batch: 128, images });
    let task = Task::Memory { net: net(), side: 28, batch: 128, images: IMAGES, steps: 30 };
    list.add(group, "memory-128", 1, task);
    for (net, group, side, batch) in [
        ("resnet18", "resnet18-64", 64, 32),
        ("resnet18", "resnet18-224", 224, 8),
        ("vit_tiny_patch16_224", "vit-tiny-224", 224, 8),
        ("tf_efficientnet_lite0", "efficientnet-lite0-224", 224, 16),
        ("tf_efficientnet_lite0", "efficientnet-lite0-224", 224, 32),
        ("mobilenetv3_small_100", "mobilenetv3-small-224", 224, 16),
    ] {
        let (net, images) = (|| net.to_string(), 40 * batch);
        let train = Task::Train { net: net(), side, batch, images };
        list.add(&format!("{group}/train"), &batch.to_string(), 1, train);
        let evaluate = Task::Evaluate { net: net(), side, batch };
        list.add(&format!("{group}/evaluate"), &batch.to_string(), 1, evaluate);
    }
}

fn keras_cnn(list: &mut List, n: usize) {
    let net = "keras-cnn-128";
    list.conv(
        net,
        1,
        Conv { input: [n, 1, 28, 28], output: 32, bias: true, first: true, ..Conv::of(3, 1, 0) },
    );
    list.conv(net, 1, Conv { input: [n, 32, 26, 26], output: 64, bias: true, ..Conv::of(3, 1, 0) });
    list.max_pool(net, 1, [n, 64, 24, 24], (2, 2, 0));
    list.linear(net, 1, n, 9216, 128);
    list.linear(net, 1, n, 128, 10);
}

/// He et al. 2015, the stem at full size.
fn resnet18(list: &mut List, side: usize, n: usize) {
    let net = &format!("resnet18-{side}");
    let conv = |input, side, output, (kernel, stride, padding)| Conv {
        input: [n, input, side, side],
        output,
        ..Conv::of(kernel, stride, padding)
    };
    list.conv(net, 1, Conv { first: true, ..conv(3, side, 64, (7, 2, 3)) });
    list.batch_norm(net, 1, [n, 64, side / 2, side / 2]);
    list.max_pool(net, 1, [n, 64, side / 2, side / 2], (3, 2, 1));
    list.conv(net, 4, conv(64, side / 4, 64, (3, 1, 1)));
    list.batch_norm(net, 4, [n, 64, side / 4, side / 4]);
    for (input, side) in [(64, side / 4), (128, side / 8), (256, side / 16)] {
        let output = 2 * input;
        list.conv(net, 1, conv(input, side, output, (3, 2, 1)));
        list.conv(net, 1, conv(input, side, output, (1, 2, 0)));
        list.conv(net, 3, conv(output, side / 2, output, (3, 1, 1)));
        list.batch_norm(net, 5, [n, output, side / 2, side / 2]);
    }
}

/// ViT-tiny/16 at 224x224 (Dosovitskiy et al. 2020; widths of DeiT): 196 patches and a class token.
fn vit_tiny(list: &mut List, n: usize) {
    let net = "vit-tiny-224";
    let (rows, width) = (n * 197, 192);
    list.conv(
        net,
        1,
        Conv {
            input: [n, 3, 224, 224],
            output: width,
            bias: true,
            first: true,
            ..Conv::of(16, 16, 0)
        },
    );
    list.layer_norm(net, 25, rows, width);
    list.linear(net, 12, rows, width, 3 * width);
    let attention = Task::Attention { batch: n, heads: 3, tokens: 197, width: 64 };
    list.add(&format!("{net}/attention"), "8x3x197x64", 12, attention);
    list.linear(net, 12, rows, width, width);
    list.linear(net, 12, rows, width, 4 * width);
    list.gelu(net, 12, rows, 4 * width);
    list.linear(net, 12, rows, 4 * width, width);
}

/// ConvNeXt-atto at 224x224 (Liu et al. 2022; atto is timm's): 7x7 depthwise, then dense layers on
/// each pixel.
fn convnext_atto(list: &mut List, n: usize) {
    let net = "convnext-atto-224";
    list.conv(
        net,
        1,
        Conv { input: [n, 3, 224, 224], output: 40, bias: true, first: true, ..Conv::of(4, 4, 0) },
    );
    for (width, side, depth) in [(40, 56, 2), (80, 28, 2), (160, 14, 6), (320, 7, 2)] {
        let (input, rows) = ([n, width, side, side], n * side * side);
        list.conv(
            net,
            depth,
            Conv { input, output: width, groups: width, bias: true, ..Conv::of(7, 1, 3) },
        );
        list.layer_norm(net, depth, rows, width);
        list.linear(net, depth, rows, width, 4 * width);
        list.gelu(net, depth, rows, 4 * width);
        list.linear(net, depth, rows, 4 * width, width);
        if width < 320 {
            list.conv(net, 1, Conv { input, output: 2 * width, bias: true, ..Conv::of(2, 2, 0) });
        }
    }
}

/// The depthwise convolutions of MobileNetV3-small at 224x224 (Howard et al. 2019, table 2).
fn mobilenetv3_small(list: &mut List, n: usize) {
    let rows = [
        (1, 16, 112, 3, 2),
        (1, 72, 56, 3, 2),
        (1, 88, 28, 3, 1),
        (1, 96, 28, 5, 2),
        (2, 240, 14, 5, 1),
        (1, 120, 14, 5, 1),
        (1, 144, 14, 5, 1),
        (1, 288, 14, 5, 2),
        (2, 576, 7, 5, 1),
    ];
    for (count, width, side, kernel, stride) in rows {
        let input = [n, width, side, side];
        let conv =
            Conv { input, output: width, groups: width, ..Conv::of(kernel, stride, kernel / 2) };
        list.conv("mobilenetv3-small-224", count, conv);
    }
}

/// A convolution's row; what is not named is the plain case.
struct Conv {
    input: [usize; 4],
    output: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    groups: usize,
    bias: bool,
    /// A net's first layer: nobody wants the gradient of the images.
    first: bool,
}

impl Conv {
    fn of(kernel: usize, stride: usize, padding: usize) -> Self {
        let (input, output) = ([0; 4], 0);
        Self { input, output, kernel, stride, padding, groups: 1, bias: false, first: false }
    }
}

#[derive(Default)]
struct List {
    works: Vec<Work>,
}

impl List {
    fn add(&mut self, group: &str, shape: &str, count: usize, task: Task) {
        let name = format!("{group}/{shape}");
        self.works.push(Work { name, group: group.to_string(), count, task });
    }

    fn conv(&mut self, net: &str, count: usize, conv: Conv) {
        let Conv { input, output, kernel, stride, padding, groups, bias, first } = conv;
        let [n, c, h, w] = input;
        let kind = if groups > 1 { "depthwise" } else { "conv" };
        let shape = format!("{n}x{c}x{h}x{w}-to-{output}-stride-{stride}");
        let task = Task::Conv2d {
            input,
            output_channels: output,
            kernel,
            stride,
            padding,
            groups,
            bias,
            input_gradient: !first,
        };
        self.add(&format!("{net}/{kind}{kernel}x{kernel}"), &shape, count, task);
    }

    fn max_pool(&mut self, net: &str, count: usize, input: [usize; 4], of: (usize, usize, usize)) {
        let (kernel, stride, padding) = of;
        let task = Task::MaxPool2d { input, kernel, stride, padding };
        let shape = format!("{}-{kernel}x{kernel}-stride-{stride}", join(input));
        self.add(&format!("{net}/max-pool"), &shape, count, task);
    }

    fn batch_norm(&mut self, net: &str, count: usize, input: [usize; 4]) {
        let task = Task::BatchNorm { input };
        self.add(&format!("{net}/batch-norm"), &join(input), count, task);
    }

    fn layer_norm(&mut self, net: &str, count: usize, rows: usize, width: usize) {
        let task = Task::LayerNorm { rows, width };
        self.add(&format!("{net}/layer-norm"), &format!("{rows}x{width}"), count, task);
    }

    fn linear(&mut self, net: &str, count: usize, rows: usize, input: usize, output: usize) {
        let task = Task::Linear { rows, input, output };
        self.add(&format!("{net}/linear"), &format!("{rows}x{input}-to-{output}"), count, task);
    }

    fn gelu(&mut self, net: &str, count: usize, rows: usize, width: usize) {
        let task = Task::Gelu { rows, width };
        self.add(&format!("{net}/gelu"), &format!("{rows}x{width}"), count, task);
    }
}

fn join(shape: [usize; 4]) -> String {
    shape.map(|size| size.to_string()).join("x")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique() {
        let works = all();
        let names: BTreeSet<_> = works.iter().map(|work| &work.name).collect();
        assert_eq!(names.len(), works.len());
    }

    #[test]
    fn the_nets_kernels_add_up_to_their_published_multiply_adds() {
        // Billions of multiply-adds at 224x224, convolutions and dense layers without the head
        // (torchvision and timm list ResNet-18 1.81, ViT-tiny 1.26 with attention, ConvNeXt-atto
        // 0.55, heads included).
        let published =
            [("resnet18-224/", 1.81), ("vit-tiny-224/", 1.26), ("convnext-atto-224/", 0.55)];
        for (net, expected) in published {
            let works = all();
            let of_net = works.iter().filter(|work| work.name.starts_with(net));
            let operations: f64 =
                of_net.filter_map(|work| Some(work.task.operations()?.0 * work.count as f64)).sum();
            let found = operations / 2.0 / 8.0 / 1e9;
            assert!((found / expected - 1.0).abs() < 0.02, "{net} {found} {expected}");
        }
    }

    #[test]
    fn a_work_survives_its_way_to_a_peer() {
        for work in all() {
            let text = serde_json::to_string(&work).unwrap();
            let back: Work = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&back).unwrap(), text);
        }
    }
}
