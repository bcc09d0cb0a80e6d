// What Net.java calls.
#include <jni.h>

#include <exception>
#include <string>

#include "../net.h"

namespace {

using sparsetvm::Net;
using sparsetvm::Tensor;

Net* net(jlong handle) { return reinterpret_cast<Net*>(handle); }

// What `call` gives; where it throws, Java throws the same and gets nothing.
template <typename Result, typename Call>
Result guarded(JNIEnv* java, Call call) {
  try {
    return call();
  } catch (const std::exception& error) {
    java->ThrowNew(java->FindClass("java/lang/RuntimeException"), error.what());
    return Result();
  }
}

jobject buffer(JNIEnv* java, const Tensor& tensor) {
  return java->NewDirectByteBuffer(tensor.data, static_cast<jlong>(tensor.bytes));
}

}  // namespace

extern "C" {

JNIEXPORT jlong JNICALL Java_org_sparsetvm_Net_open(JNIEnv* java, jclass, jstring path) {
  const char* text = java->GetStringUTFChars(path, nullptr);
  std::string weights(text);
  java->ReleaseStringUTFChars(path, text);
  return guarded<jlong>(java, [&] { return reinterpret_cast<jlong>(new Net(weights)); });
}

JNIEXPORT jobject JNICALL Java_org_sparsetvm_Net_input(JNIEnv* java, jclass, jlong handle,
                                                           jint i) {
  return guarded<jobject>(java, [&] { return buffer(java, net(handle)->input(i)); });
}

JNIEXPORT jobject JNICALL Java_org_sparsetvm_Net_output(JNIEnv* java, jclass, jlong handle,
                                                            jint i) {
  return guarded<jobject>(java, [&] { return buffer(java, net(handle)->output(i)); });
}

JNIEXPORT void JNICALL Java_org_sparsetvm_Net_run(JNIEnv* java, jclass, jlong handle) {
  guarded<int>(java, [&] { return net(handle)->run(), 0; });
}

JNIEXPORT void JNICALL Java_org_sparsetvm_Net_close(JNIEnv*, jclass, jlong handle) {
  delete net(handle);
}
}
