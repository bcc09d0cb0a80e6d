package org.sparsetvm;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The net of libsparsetvm_net.so; for one caller at a time. Runtime exceptions say what went wrong. */
public final class Net implements AutoCloseable {
    static {
        System.loadLibrary("sparsetvm_net");
    }

    private long handle;

    /** The path of weights.bin, a file: an app copies it out of its assets first. */
    public Net(String weights) {
        handle = open(weights);
    }

    /** The net's own memory, to be written before run(): {@code input(0).asFloatBuffer().put(x)}. */
    public ByteBuffer input(int i) {
        return input(opened(), i).order(ByteOrder.nativeOrder());
    }

    /** The net's own memory, to be read after run(); the next run overwrites it. */
    public ByteBuffer output(int i) {
        return output(opened(), i).order(ByteOrder.nativeOrder());
    }

    public void run() {
        run(opened());
    }

    /** Buffers of inputs and outputs must not be used any more. */
    @Override
    public void close() {
        close(handle);
        handle = 0;
    }

    private long opened() {
        if (handle == 0) {
            throw new IllegalStateException("the net is closed");
        }
        return handle;
    }

    private static native long open(String weights);

    private static native ByteBuffer input(long handle, int i);

    private static native ByteBuffer output(long handle, int i);

    private static native void run(long handle);

    private static native void close(long handle);
}
