import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.sparsetvm.Net;

/** Example weights.bin input0.bin: runs the net on raw numbers and writes output0.bin. */
public final class Example {
    public static void main(String[] arguments) throws IOException {
        try (Net net = new Net(arguments[0])) {
            net.input(0).put(Files.readAllBytes(Path.of(arguments[1])));
            net.run();
            ByteBuffer output = net.output(0);
            byte[] bytes = new byte[output.remaining()];
            output.get(bytes);
            Files.write(Path.of("output0.bin"), bytes);
        }
    }
}
