"""Small nets in Relax, as the compiler hands them over: main takes the inputs, then the weights."""

from tvm.script import ir as I, relax as R


@I.ir_module
class Chain:
    """Two convolutions of one shape, which share their kernel; odd sizes on purpose."""

    @R.function
    def main(
        x: R.Tensor((1, 3, 5, 6), "float32"),
        first: R.Tensor((3, 3, 3, 3), "float32"),
        second: R.Tensor((3, 3, 3, 3), "float32"),
    ):
        R.func_attr({"num_input": 1})
        with R.dataflow():
            a = R.nn.relu(R.nn.conv2d(x, first, padding=(1, 1)))
            b = R.nn.relu(R.nn.conv2d(a, second, padding=(1, 1)))
            y = R.sum(b, axis=1)
            R.output(y)
        return y


@I.ir_module
class Several:
    """Two inputs of two dtypes; an output is an input, another a weight."""

    @R.function
    def main(
        image: R.Tensor((2, 7), "float32"),
        index: R.Tensor((2,), "int64"),
        scale: R.Tensor((7,), "float32"),
    ):
        R.func_attr({"num_input": 2})
        with R.dataflow():
            y = R.multiply(image, scale)
            more = R.add(index, R.const(1, "int64"))
            R.output(y, more)
        return (y, more, image, scale)
