//! The residual block.

use candle_core::{ModuleT, Result, Tensor, bail};

use crate::summary;

type Path = Box<dyn ModuleT + Send + Sync>;

/// A residual block, `main(x) + shortcut(x)`.
///
/// The shortcut is the identity, or a projection where the main path changes the shape. What comes
/// after the sum (a ResNet's ReLU) is the next layer's business: put it behind in a
/// [`Sequential`](super::Sequential).
///
/// # Shapes
///
/// Any; both paths end in the same shape.
///
/// ```
/// use candle_core::{DType, Device, ModuleT, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use taper_model::layers::{BatchNorm, Conv2d, Conv2dConfig, Relu, Residual, Sequential};
///
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let same = Conv2dConfig { padding: (1, 1), bias: false, ..Default::default() };
/// let main = Sequential::new()
///     .add(Conv2d::new(4, 4, (3, 3), same.clone(), vb.pp("conv1"))?)
///     .add(BatchNorm::new(4, Default::default(), vb.pp("bn1"))?)
///     .add(Relu)
///     .add(Conv2d::new(4, 4, (3, 3), same, vb.pp("conv2"))?)
///     .add(BatchNorm::new(4, Default::default(), vb.pp("bn2"))?);
/// let block = Sequential::new().add(Residual::new(main)).add(Relu);
///
/// let x = Tensor::ones((2, 4, 5, 5), DType::F32, &Device::Cpu)?;
/// assert_eq!(block.forward_t(&x, true)?.dims(), x.dims());
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// He et al., "Deep Residual Learning for Image Recognition", 2015.
pub struct Residual {
    main: Path,
    shortcut: Option<Path>,
}

impl Residual {
    /// `main(x) + x`.
    pub fn new(main: impl ModuleT + Send + Sync + 'static) -> Self {
        Self { main: Box::new(main), shortcut: None }
    }

    /// `main(x) + shortcut(x)`.
    pub fn with_shortcut(
        main: impl ModuleT + Send + Sync + 'static,
        shortcut: impl ModuleT + Send + Sync + 'static,
    ) -> Self {
        Self { main: Box::new(main), shortcut: Some(Box::new(shortcut)) }
    }
}

impl ModuleT for Residual {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let main = self.main.forward_t(x, train)?;
        let shortcut = match &self.shortcut {
            Some(path) => path.forward_t(x, train)?,
            None => x.clone(),
        };
        if main.shape() != shortcut.shape() {
            bail!(
                "residual block: the main path gives shape {:?}, the shortcut {:?}; give it a shortcut that projects \
                 to the main path's shape",
                main.dims(),
                shortcut.dims()
            );
        }
        let y = taper_kernels::add(&main, &shortcut)?;
        summary::record("Residual", "", &y, |_| 0);
        Ok(y)
    }
}
