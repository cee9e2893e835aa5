package io.tidegate.example;

import com.google.cloud.hadoop.util.AccessTokenProvider;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import org.apache.hadoop.conf.Configuration;

/** The identity token in a file, which something else keeps fresh, for the GCS connector. Tidegate takes it as it is. */
public final class TokenFile implements AccessTokenProvider {
    /** How long a token is used before the file is read again. */
    private static final long MILLISECONDS = 60_000;

    private Configuration configuration;

    @Override
    public AccessToken getAccessToken() {
        try {
            byte[] file = Files.readAllBytes(Paths.get(configuration.get("fs.gs.tidegate.token.file")));
            String token = new String(file, StandardCharsets.US_ASCII).trim();
            return new AccessToken(token, System.currentTimeMillis() + MILLISECONDS);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    /** There is nothing to refresh: the file is read for each token. */
    @Override
    public void refresh() {}

    @Override
    public void setConf(Configuration configuration) {
        this.configuration = configuration;
    }

    @Override
    public Configuration getConf() {
        return configuration;
    }
}
