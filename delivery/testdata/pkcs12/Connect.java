import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStreamReader;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/**
 * Opens the PKCS#12 file of each line of standard input, "FILE PASSWORD PORT...", and calls each
 * port over two-way TLS with it. Prints one line a port: the alias and the server's answer, or
 * what went wrong. Its argument is the root certificate of the servers, in PEM.
 */
class Connect {
    public static void main(String[] args) throws Exception {
        KeyStore roots = KeyStore.getInstance("PKCS12");
        roots.load(null, null);
        try (var in = new FileInputStream(args[0])) {
            roots.setCertificateEntry("root", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        var trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(roots);
        var lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            var words = line.split(" ");
            String error = "", alias = "";
            SSLContext context = SSLContext.getInstance("TLS");
            try {
                alias = open(words[0], words[1].toCharArray(), context, trust);
            } catch (Exception e) {
                error = e.getMessage();
            }
            for (int i = 2; i < words.length; i++) {
                System.out.println(error.isEmpty() ? alias + ": " + call(context, Integer.parseInt(words[i])) : error);
            }
        }
    }

    /** Returns the alias of the file's only entry. */
    static String open(String file, char[] password, SSLContext context, TrustManagerFactory trust) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (var in = new FileInputStream(file)) {
            store.load(in, password);
        }
        var keys = KeyManagerFactory.getInstance("PKIX");
        keys.init(store, password);
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return store.aliases().nextElement();
    }

    static String call(SSLContext context, int port) {
        try (var socket = (SSLSocket) context.getSocketFactory().createSocket("127.0.0.1", port)) {
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            socket.setSSLParameters(parameters);
            socket.getOutputStream().write("GET / HTTP/1.0\r\n\r\n".getBytes("US-ASCII"));
            var answer = new String(socket.getInputStream().readAllBytes(), "UTF-8");
            return answer.substring(answer.indexOf("\r\n\r\n") + 4);
        } catch (Exception e) {
            return e.getMessage();
        }
    }
}
